import {
  type CompanionPolicy,
  type CompanionSigned,
  type CompanionState,
  type Envelope,
  type Message,
  NO_SIGNAL,
} from '../../messages/index.ts';
import type { Advert } from '../../nostr/advert.ts';
import { badEvidence } from '../answers.ts';
import { evidenceOf, shownAnnouncement } from '../check.ts';
import type { WalletEvent } from '../events.ts';
import { evolve } from '../evolve.ts';
import type { Decision, Env, Input } from '../inputs.ts';
import { badSignature, recompute } from '../joining.ts';
import {
  type Agreement,
  type Asked,
  beaconOf,
  concernedDids,
  type MemberBeacon,
  type Membership,
  provenBeaconOf,
  type WalletDid,
  type WalletState,
  type WalletUpdate,
} from '../state.ts';
import { inherit } from './heir.ts';
import { advertsOf, asHearing, asOwner, type Owner } from './pair.ts';
import { sync, toCompanion } from './requests.ts';
import { decideKept, isUnproven, registrationsKept } from './restoring.ts';

/** Seconds after which it is noted again that a companion was heard, though it said nothing new. */
const HEARD_AGAIN = 600;

/** Asks a companion to be its owner. One at a time: with two, nobody could say which of them signed what. */
export function decidePairing(state: WalletState, input: Extract<Input, { type: 'companion_pair' }>): Decision {
  const { companionship } = state;
  if (companionship?.role === 'companion') return { refuse: 'this wallet is a companion itself' };
  if (asOwner(state)) return { refuse: 'this wallet has a companion already: revoke it first' };
  const { type: _, network, proof, ...asked } = input;
  return {
    events: [{ type: 'companion_asked', ...asked }],
    effects: [toCompanion(asked, { type: 'companion_pair', body: { network, proof } }, 'pair')],
  };
}

/** Sends a policy that the owner's key signed; the companion takes the highest version. */
export function decideIssue(
  state: WalletState,
  { policy, sig }: Extract<Input, { type: 'companion_issue' }>,
): Decision {
  const owner = asOwner(state);
  if (owner?.phase !== 'paired') return { refuse: 'this wallet has no companion' };
  if (owner.policy?.revoked) return { refuse: 'the companion was revoked' };
  if (policy.version <= nextVersion(owner) - 1)
    return { refuse: `the next version of the policy is ${nextVersion(owner)}` };
  return {
    events: [{ type: 'companion_policy_issued', policy, sig }],
    effects: [toCompanion(owner, { type: 'companion_policy', body: { policy, sig } }, `policy ${policy.version}`)],
  };
}

/** Also above what the companion has, should the owner be an older copy of itself. */
export const nextVersion = ({ policy, told }: Pick<Owner, 'policy' | 'told'>): number =>
  Math.max(policy?.version ?? 0, told?.policy_version ?? 0) + 1;

/** Asks to have an update back that no partial signature left for. */
export function decideTakeBack(
  state: WalletState,
  { did, announcement }: Extract<Input, { type: 'companion_withdraw' }>,
): Decision {
  const owner = asOwner(state);
  if (!owner) return { refuse: 'this wallet has no companion' };
  const known = state.dids.get(did)?.updates.find(update => update.announcement === announcement);
  if (!known) return { refuse: `this wallet made no update ${announcement} of ${did}` };
  if (!isWithCompanion(state, known)) return { refuse: 'that update was not given to the companion' };
  const message: Message = { type: 'companion_withdraw', body: { did, announcement } };
  return { events: [], effects: [toCompanion(owner, message, `withdraw ${announcement}`)] };
}

/** Tells the companion that the owner is awake and what it knows; the companion sends the rest. */
export function decideSync(state: WalletState): Decision {
  const owner = asHearing(state);
  if (!owner) return { drop: 'this wallet has no companion' };
  if (isUnproven(owner)) return { drop: 'the companion has not shown a policy yet' };
  const isAsked = [...state.asked.values()].some(({ cohort, slot }) => cohort === owner.pairing && slot === 'sync');
  return isAsked ? { drop: 'asked already' } : { events: [], effects: [sync(state, owner, 'sync')] };
}

/** The owner gives the companion up, and fetches the proofs from its seats itself. What may have been signed stays locked. */
export function decideLost(state: WalletState, reason: string): Decision {
  const owner = asHearing(state);
  if (!owner) return { refuse: 'this wallet has no companion' };
  const { events, effects } = inherit(state, owner);
  return { events: [{ type: 'companion_ended', reason }, ...events], effects };
}

/**
 * What comes from the companion about itself; null for an answer about a cohort, which is dealt with as if it came from
 * the aggregator. Anything else that an aggregator says is nothing that an owner, who has no cohort key, can answer.
 */
export function decideTold(state: WalletState, owner: Owner, envelope: Envelope, env: Env): Decision | null {
  if (envelope.from !== owner.companion) return { drop: 'not from the companion of this wallet' };
  if (owner.phase === 'ended') return { drop: 'the companion was given up' };
  const asked = (envelope.in_reply_to && state.asked.get(envelope.in_reply_to)) || null;
  if (envelope.cohort !== owner.pairing) return decideAbout(state, envelope, asked);
  const decision = decideOwn(state, owner, envelope, asked, env);
  if (!asked || !('events' in decision)) return decision;
  return { ...decision, events: [...decision.events, { type: 'answered', envelope_id: envelope.in_reply_to! }] };
}

function decideAbout(state: WalletState, envelope: Envelope, asked: Asked | null): Decision | null {
  switch (envelope.type) {
    case 'rejection': {
      const [what, did, announcement] = asked?.cohort === envelope.cohort ? asked.slot.split(' ') : [];
      if (what !== 'update') return null;
      const text = `${envelope.body.code}: ${envelope.body.text}`;
      return {
        events: [
          ...unlock(state, did!, announcement!, 'refused', text),
          { type: 'answered', envelope_id: envelope.in_reply_to! },
        ],
        effects: [],
      };
    }
    case 'ack':
      return ['did_registration', 'did_update'].includes(envelope.body.accepted)
        ? null
        : { drop: `an acknowledgement of ${envelope.body.accepted} from a companion` };
    case 'proofs':
      return null;
    default:
      return { drop: `${envelope.type} is nothing that a companion says` };
  }
}

function decideOwn(state: WalletState, owner: Owner, envelope: Envelope, asked: Asked | null, env: Env): Decision {
  const isWord = envelope.type === 'companion_state' || envelope.type === 'companion_signed';
  if (isWord && isUnproven(owner)) return { drop: 'the companion has not shown a policy of this wallet yet' };
  switch (envelope.type) {
    case 'companion_kept':
      return decideKept(state, owner, envelope.body);
    case 'companion_state':
      return decideState(state, owner, envelope.body, env);
    case 'companion_signed':
      return decideSigned(state, owner, envelope.body);
    case 'rejection': {
      const { code, text } = envelope.body;
      if (!asked) return { refuse: `${code}: ${text}` };
      const told: WalletEvent = { type: 'companion_refused', slot: asked.slot, code, text };
      return asked.slot === 'pair'
        ? { events: [told, { type: 'companion_ended', reason: `${code}: ${text}` }], effects: [] }
        : { events: [told], effects: [] };
    }
    default:
      return { drop: `${envelope.type} is nothing that a companion says` };
  }
}

function decideState(state: WalletState, owner: Owner, told: CompanionState, { now }: Env): Decision {
  const events: WalletEvent[] = [];
  const isNew = JSON.stringify(told) !== JSON.stringify(owner.told);
  if (isNew || now >= (owner.heard_at ?? 0) + HEARD_AGAIN) events.push({ type: 'companion_told', told });
  const adverts = owner.policy ? advertsOf(owner.policy) : [];
  for (const view of told.cohorts) {
    const advert = adverts.find(({ cohort }) => cohort === view.cohort);
    const moved = advert ? followCohort(state, owner, advert, view) : [];
    if (typeof moved === 'string') return { refuse: moved };
    events.push(...moved);
  }
  for (const { did, announcement, text } of told.released)
    events.push(...unlock(state, did, announcement, 'replaced', text));
  if (!told.revoked || owner.phase === 'revoked') return { events, effects: [] };
  // What it signed before, and this wallet has not heard of, is asked for once more: its proofs are nowhere else.
  events.push({ type: 'companion_ended', reason: 'revoked', revoked: true });
  return { events, effects: [sync(state, owner, 'sync')] };
}

/** The companion's seat as the owner's own, without its key; or in words what is wrong with what it says. */
function followCohort(
  state: WalletState,
  owner: Owner,
  advert: Advert,
  view: CompanionState['cohorts'][number],
): WalletEvent[] | string {
  const { cohort, phase, text, participant_pk, beacon } = view;
  const known = state.cohorts.get(cohort);
  if (known && known.companion !== owner.companion) return `this wallet is in cohort ${cohort} itself`;
  if (known?.phase.name === 'ready') return followReady(cohort, known.phase.beacon, view);
  if (known?.phase.name === 'retired') return [];
  if (participant_pk === null) return [];
  if (known?.phase.name === 'restored') return resumed(known, owner, advert, { phase, participant_pk, beacon });
  const events: WalletEvent[] = [];
  const agreement: Agreement = {
    cohort,
    advert_event: advert.event,
    terms: advert.terms,
    terms_hash: advert.terms_hash,
    identity: advert.identity,
    relays: owner.relays,
    transport: owner.key,
    companion: owner.companion,
  };
  const isSame = known?.participant_pk === participant_pk && known.phase.name !== 'ended';
  if (!isSame && phase !== 'ended') events.push({ type: 'joined', ...agreement, participant_pk });
  if (isSame ? known.phase.name === 'asked' : phase !== 'ended')
    if (phase === 'seated' || phase === 'ready') events.push({ type: 'seated', cohort });
  if (phase === 'ended' && isSame) events.push({ type: 'membership_ended', cohort, reason: text ?? 'ended' });
  if (phase !== 'ready') return events;
  if (!beacon) return `the companion says that cohort ${cohort} is ready, and not how`;
  const set = checkedSet(agreement, participant_pk, beacon);
  if (typeof set === 'string') return set;
  const { signatures, challenge } = beacon;
  events.push({ type: 'set_proposed', cohort, set: { attempt: 0, ...set } });
  events.push({ type: 'cohort_ready', cohort, signatures, challenge });
  events.push(...registrationsKept(owner.restored?.kept ?? [], cohort));
  return events;
}

type Seat = CompanionState['cohorts'][number];

/** What the companion says of a cohort that stands: the aggregator's word about its end, and the end itself. */
function followReady(cohort: string, known: MemberBeacon, { phase, beacon, status }: Seat): WalletEvent[] | string {
  // The key is gone where it was: no signature of this seat will ever be, and proofs are all that is left to fetch.
  if (phase === 'ended') return [{ type: 'retired', cohort }];
  if (beacon !== null && beacon.beacon_address !== known.beacon_address)
    return `the companion says that the beacon of cohort ${cohort} is another one now`;
  const isNews = status?.beacon_address === known.beacon_address && status.number > (known.status?.number ?? 0);
  return isNews ? [{ type: 'status_told', cohort, status }] : [];
}

/** The companion checked it too; but the address goes into documents, and there nothing is taken on trust. */
function checkedSet(
  agreement: Parameters<typeof badSignature>[0],
  participantPk: string,
  beacon: NonNullable<Seat['beacon']>,
) {
  const set = recompute(beacon, agreement.terms);
  if (typeof set === 'string') return set;
  if (!set.participant_pubkeys.includes(participantPk)) return 'the companion is no member of its cohort';
  return badSignature(agreement, set, beacon.signatures) ?? set;
}

/** A seat that was put back without a key is spoken through again: its key was never here, and the companion has it still. */
function resumed(
  known: Membership,
  owner: Owner,
  { terms, terms_hash }: Advert,
  { phase, participant_pk, beacon }: Pick<Seat, 'phase' | 'participant_pk' | 'beacon'>,
): WalletEvent[] | string {
  const { cohort } = known;
  if (phase !== 'ready' || beacon === null) return [];
  const set = checkedSet({ ...known, terms, terms_hash }, known.participant_pk, beacon);
  if (typeof set === 'string') return set;
  if (participant_pk !== known.participant_pk || set.beacon_address !== provenBeaconOf(known)?.beacon_address)
    return `the companion says that its seat in cohort ${cohort} is another one than was put back`;
  const { signatures, challenge } = beacon;
  return [
    { type: 'cohort_resumed', cohort, signatures, challenge },
    ...registrationsKept(owner.restored?.kept ?? [], cohort),
  ];
}

/**
 * A partial signature left: what it announces of the owner's DIDs follows from the evidence, not from what anybody says.
 * From here on the chain tells what comes of it.
 */
function decideSigned(state: WalletState, owner: Owner, body: CompanionSigned): Decision {
  const { cohort, evidence, ...facts } = body;
  const membership = state.cohorts.get(cohort);
  const beacon = membership && provenBeaconOf(membership);
  if (!beacon || membership.companion !== owner.companion) return { drop: 'a signature in no cohort of the companion' };
  if (beacon.sessions.has(facts.session_id)) return { events: [], effects: [sync(state, owner)] };
  if (facts.signal_bytes === NO_SIGNAL) return { drop: 'no signal' };
  const { signal_bytes, session_id } = facts;
  const about = concernedDids(state, beacon).filter(did => 'map' in evidence || Object.hasOwn(evidence.proofs, did));
  const signal = { session_id, signal_bytes, txid: null, height: null, evidence: evidenceOf(evidence, about) };
  const updates: { did: string; version: number; announcement: string }[] = [];
  for (const did of about) {
    const bad = badEvidence(state, membership, did, [signal]);
    if (bad) return { refuse: `the companion signed what it should not have: ${bad}` };
    const announcement = shownAnnouncement(evidence, did);
    const known = announcement === null ? undefined : updateOf(state.dids.get(did), announcement);
    if (known) updates.push({ did, version: known.version, announcement: known.announcement });
  }
  const events: WalletEvent[] = [
    { type: 'evidence_kept', cohort, signals: [signal] },
    { type: 'session_checked', cohort, session: { ...facts, updates } },
    { type: 'session_signed', cohort, session_id, agg_nonce: [], sig: [] },
  ];
  // A copy, since evolve changes maps in place and a decision changes nothing.
  const next = events.reduce((now, event) => evolve(now, { ...event, at: 0 }), structuredClone(state));
  return { events, effects: [sync(next, owner)] };
}

const updateOf = (own: WalletDid | undefined, announcement: string): WalletUpdate | undefined =>
  own?.updates.find(update => update.announcement === announcement);

/** Whether an update was given to a companion: then only its word, or the chain, says that nothing was signed for it. */
export const isWithCompanion = ({ cohorts }: WalletState, update: Pick<WalletUpdate, 'cohorts'>): boolean =>
  update.cohorts.some(cohort => cohorts.get(cohort)?.companion !== undefined);

/** Whether the seat in a cohort is a companion's that was revoked or given up: what is sent there would be locked for nothing. */
export function isForsaken(state: WalletState, { companion }: Pick<Membership, 'companion'>): boolean {
  const owner = asOwner(state);
  return companion !== undefined && (owner?.companion !== companion || owner.policy?.revoked === true);
}

/** A version that goes to a companion counts as signed from then on: it can be signed at any time, with nobody to ask. */
export function lockForCompanion(
  state: WalletState,
  did: string,
  announcement: string,
  cohorts: readonly string[],
): WalletEvent[] {
  const known = updateOf(state.dids.get(did), announcement);
  const isFree = !known || !['locked', 'broadcast', 'final', 'returned'].includes(known.state);
  return isFree && isWithCompanion(state, { cohorts: [...cohorts] })
    ? [{ type: 'update_moved', did, announcement, state: 'locked' }]
    : [];
}

/**
 * The companion never signs for it. That frees the version only where nothing else can have announced it: no session that
 * is known, no beacon of the controller's own, no cohort that the wallet is in itself.
 */
function unlock(
  state: WalletState,
  did: string,
  announcement: string,
  to: 'refused' | 'replaced',
  text: string,
): WalletEvent[] {
  const own = state.dids.get(did);
  const known = updateOf(own, announcement);
  // Of a DID that was put back from its words nobody knows what else was signed.
  if (known?.state !== 'locked' || own?.restored) return [];
  if (known.cohorts.length === 0 || known.own_signals.some(({ status }) => status !== 'gone')) return [];
  const isSigned = (membership: Membership): boolean =>
    [...(beaconOf(membership)?.sessions.values() ?? [])].some(session =>
      session.updates.some(update => update.announcement === announcement),
    );
  if ([...state.cohorts.values()].some(isSigned)) return [];
  if (!known.cohorts.every(cohort => state.cohorts.get(cohort)?.companion !== undefined)) return [];
  return [{ type: 'update_moved', did, announcement, state: to, text }];
}

/** A policy with some parts changed, of the next version; null for a wallet without a companion. */
export function nextPolicy(owner: Owner, changes: Partial<Omit<CompanionPolicy, 'version'>>): CompanionPolicy | null {
  const { policy } = owner;
  const { fee_cap, expires_at } = { ...policy, ...changes };
  if (fee_cap === undefined || expires_at === undefined) return null;
  return {
    adverts: [],
    dids: [],
    revoked: false,
    ...policy,
    ...changes,
    fee_cap,
    expires_at,
    version: nextVersion(owner),
  };
}
