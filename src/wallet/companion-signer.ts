import { curve } from '#curve';
import type { Network } from '../bitcoin/network.ts';
import { fromHex, toHex } from '../crypto/index.ts';
import {
  announcementOf,
  type DidDocument,
  DidError,
  decodeDid,
  didOfGenesis,
  parseUpdate,
  type SignedUpdate,
} from '../did/index.ts';
import {
  type CompanionState,
  companionPairStatement,
  companionPolicyStatement,
  type Envelope,
  type Message,
  type RejectionCode,
  type SignalEvidence,
  toPlainText,
} from '../messages/index.ts';
import { leafIndex } from '../smt/index.ts';
import { evidenceOf, holdsEvidence } from './check.ts';
import { advertsOf, asCompanion, type Companion, policyBar } from './companion.ts';
import { heirView, namedHeirs } from './companion-heir.ts';
import { doubtAbout } from './doubt.ts';
import type { WalletEvent } from './events.ts';
import { evolve } from './evolve.ts';
import type { Decided, Decision, Effect, Env } from './inputs.ts';
import { sendUpdate } from './opportunity.ts';
import { sendVeto } from './rounds.ts';
import {
  beaconOf,
  type MemberBeacon,
  type MemberSession,
  type Membership,
  provenBeaconOf,
  type WalletState,
  type WalletUpdate,
} from './state.ts';

type Of<T extends Envelope['type']> = Extract<Envelope, { type: T }>;

/** What somebody says to a companion by the key that was made for its owner. Only the owner is answered. */
export function decideOrder(state: WalletState, companion: Companion, envelope: Envelope, env: Env): Decision {
  if (envelope.type === 'companion_pair') return decidePair(state, companion, envelope, env);
  if (envelope.from !== companion.owner) return { drop: 'not from the owner of this companion' };
  switch (envelope.type) {
    case 'did_registration':
      return decideRegistration(state, companion, envelope, env);
    case 'did_update':
      return decideUpdate(state, companion, envelope, env);
    case 'proof_request':
      return decideQuestion(state, companion, envelope);
  }
  if (envelope.cohort !== companion.pairing) return { drop: 'about another pairing' };
  switch (envelope.type) {
    case 'companion_policy':
      return decidePolicy(state, companion, envelope);
    case 'companion_withdraw':
      return decideWithdraw(state, companion, envelope);
    case 'companion_sync':
      return decideSync(state, companion, envelope);
    default:
      return { drop: `${envelope.type} is for others than a companion` };
  }
}

const toOwner = (
  companion: Pick<Companion, 'key' | 'owner'>,
  cohort: string,
  message: Message,
  to?: string,
): Effect => ({
  type: 'send',
  cohort,
  from: companion.key,
  to: companion.owner!,
  message,
  ...(to === undefined ? {} : { in_reply_to: to }),
});

function refuse(companion: Companion, { cohort, id }: Envelope, code: RejectionCode, text: string, field?: string) {
  const body = { code, text: toPlainText(text, 1000), ...(field === undefined ? {} : { field }) };
  return { events: [], effects: [toOwner(companion, cohort, { type: 'rejection', body }, id)] };
}

/** The state as it will be, told to the owner. */
const tell = (state: WalletState, companion: Companion, to?: string): Effect =>
  toOwner(companion, companion.pairing, { type: 'companion_state', body: companionState(state, companion) }, to);

/**
 * Whoever was shown the pairing string is the owner, once. A second one that saw it too is told that it came too late;
 * anybody else hears nothing, as from a wallet that there is none of.
 */
function decidePair(state: WalletState, companion: Companion, envelope: Of<'companion_pair'>, env: Env): Decision {
  const { from, body, id } = envelope;
  const { key, network, pairing, expires_at, owner } = companion;
  const statement = companionPairStatement({ companion: key, owner: from, network });
  const isOurs = envelope.cohort === pairing && body.network === network;
  if (!isOurs || !curve.verifySchnorr(statement, fromHex(pairing), fromHex(body.proof)))
    return { drop: 'not by the pairing string of this companion' };
  if (owner === from) return { events: [], effects: [tell(state, companion, id)] };
  const asOwner = { ...companion, owner: from };
  if (owner !== null) return refuse(asOwner, envelope, 'key_in_use', 'this companion has an owner already');
  if (env.now >= expires_at) return refuse(asOwner, envelope, 'not_admitted', 'the pairing string has expired');
  return {
    events: [{ type: 'companion_owned', owner: from }],
    effects: [tell(state, asOwner, id)],
  };
}

/** Counted upwards, so that a policy that was replaced cannot be played again; one that was revoked has no successor. */
function decidePolicy(state: WalletState, companion: Companion, envelope: Of<'companion_policy'>): Decision {
  const { policy, sig } = envelope.body;
  const { key, owner, policy: before } = companion;
  const statement = companionPolicyStatement({ companion: key, owner: owner!, policy });
  if (!curve.verifySchnorr(statement, fromHex(owner!), fromHex(sig)))
    return refuse(companion, envelope, 'invalid_signature', 'the policy is not signed by the owner', 'body.sig');
  const at = 'body.policy.version';
  if (before && policy.version < before.version)
    return refuse(companion, envelope, 'counter_too_low', `version ${before.version} is in force`, at);
  if (before && policy.version === before.version)
    return JSON.stringify(policy) === JSON.stringify(before)
      ? { events: [], effects: [tell(state, companion, envelope.id)] }
      : refuse(companion, envelope, 'equivocation', `another policy of version ${before.version} is in force`, at);
  if (before?.revoked) return refuse(companion, envelope, 'wrong_phase', 'this companion was revoked', at);
  const wrong = wrongAdvert(policy.adverts, companion.network);
  if (wrong) return refuse(companion, envelope, 'wrong_advert', wrong, 'body.policy.adverts');
  const ended = policy.revoked ? freeUpdates(state) : [];
  return answered(state, envelope.id, [
    { type: 'companion_policy_taken', policy, sig },
    ...ended.flatMap(({ did, update }) => giveUp(did, update.announcement, 'the owner revoked the companion', update)),
  ]);
}

function wrongAdvert(events: readonly Record<string, unknown>[], network: Network): string | null {
  const adverts = advertsOf({ adverts: [...events] });
  if (adverts.length !== events.length) return 'one of the adverts does not verify';
  for (const { terms } of adverts) {
    if (terms.btc_network !== network) return `advert ${terms.id} is for ${terms.btc_network}`;
    // Its nonces would be the companion's alone: lost with it, and with them every DID behind such a beacon.
    // There a signal may go out that the companion never signed, and an update that it gave back with it.
    if (terms.policy.type !== 'keypath')
      return `advert ${terms.id} has a fallback: only the wallet of a DID can agree to it`;
    if (terms.privacy === 'blinded')
      return `advert ${terms.id} is blinded: only the wallet of a DID can make its leaves`;
  }
  return null;
}

/** Tells the owner how things stand after these events. */
function answered(state: WalletState, in_reply_to: string, events: WalletEvent[]): Decided {
  // A copy, since evolve changes maps in place and a decision changes nothing.
  const next = events.reduce((now, event) => evolve(now, { ...event, at: 0 }), structuredClone(state));
  return { events, effects: [tell(next, asCompanion(next)!, in_reply_to)] };
}

/** Updates that no partial signature left for. */
const freeUpdates = (state: WalletState): { did: string; update: WalletUpdate }[] =>
  [...state.dids.values()].flatMap(({ did, updates }) =>
    updates.filter(update => isFree(update) && !isInDoubt(state, did)).map(update => ({ did, update })),
  );

const isFree = ({ state }: WalletUpdate): boolean => state === 'signed' || state === 'acked' || state === 'refused';

/** A companion that was put back from a copy does not know what it signed: then it promises nothing about it. */
const isInDoubt = (state: WalletState, did: string): boolean => {
  if (state.doubt === null || state.doubt.addresses.size === 0) return false;
  const own = state.dids.get(did);
  return own === undefined || own.created_at <= state.doubt.since;
};

/** An update is never signed for from here on, and the owner may sign another one of its version. */
function giveUp(did: string, announcement: string, text: string, known: WalletUpdate | undefined): WalletEvent[] {
  const released: WalletEvent = { type: 'companion_released', did, announcement, text };
  return known ? [released, { type: 'update_moved', did, announcement, state: 'replaced', text }] : [released];
}

function decideWithdraw(state: WalletState, companion: Companion, envelope: Of<'companion_withdraw'>): Decision {
  const { did, announcement } = envelope.body;
  const known = state.dids.get(did)?.updates.find(update => update.announcement === announcement);
  if (companion.released.has(announcement)) return { events: [], effects: [tell(state, companion, envelope.id)] };
  if (isInDoubt(state, did))
    return refuse(
      companion,
      envelope,
      'wrong_phase',
      'the companion was put back from a copy, and may have signed for it',
    );
  if (known && !isFree(known))
    return refuse(companion, envelope, 'version_taken', `a partial signature left for it: it is ${known.state}`);
  // One that never came may still be on its way.
  return answered(state, envelope.id, giveUp(did, announcement, 'withdrawn by the owner', known));
}

function decideSync(state: WalletState, companion: Companion, { body, id }: Of<'companion_sync'>): Decision {
  const known = new Set(body.sessions.flatMap(({ session_ids }) => session_ids));
  const effects = [tell(state, companion, id)];
  const session_ids: string[] = [];
  for (const membership of state.cohorts.values())
    for (const session of provenBeaconOf(membership)?.sessions.values() ?? []) {
      if (!isTold(session)) continue;
      if (!known.has(session.session_id)) effects.push(sendSigned(state, companion, membership, session));
      else if (!companion.acknowledged.has(session.session_id)) session_ids.push(session.session_id);
    }
  const heard: WalletEvent[] = session_ids.length > 0 ? [{ type: 'companion_acknowledged', session_ids }] : [];
  return { events: [...heard, ...namedHeirs(companion, body.sessions)], effects };
}

/** Signals that a partial signature left for. */
export const isTold = ({ stage, purpose }: MemberSession): boolean => stage.name === 'signed' && purpose === undefined;

function sendSigned(state: WalletState, companion: Companion, membership: Membership, session: MemberSession): Effect {
  const { session_id, round, attempt, outpoint, signal_bytes, steps } = session;
  const held = provenBeaconOf(membership)!.signals.get(signal_bytes)!;
  const evidence = held.map
    ? { map: held.map }
    : evidenceOf({ proofs: Object.fromEntries(held.proofs) }, [...state.dids.keys()]);
  const { cohort } = membership;
  return toOwner(companion, companion.pairing, {
    type: 'companion_signed',
    body: { cohort, session_id, round, attempt, outpoint, signal_bytes, steps, evidence },
  });
}

/** The cohort that the owner speaks of, or why nothing of it can be done. */
function placeOf(
  state: WalletState,
  companion: Companion,
  { cohort, body }: Of<'did_registration' | 'did_update'>,
  { now }: Env,
): { membership: Membership; beacon: MemberBeacon } | { code: RejectionCode; text: string; field: string } {
  const bar = policyBar(state, cohort, now);
  if (bar) return { code: 'not_admitted', text: bar, field: 'cohort' };
  const membership = state.cohorts.get(cohort);
  const beacon = membership && beaconOf(membership);
  if (!beacon) return { code: 'wrong_phase', text: 'the cohort is not ready', field: 'cohort' };
  if (body.beacon_address !== beacon.beacon_address)
    return {
      code: 'wrong_address',
      text: `this cohort's beacon is ${beacon.beacon_address}`,
      field: 'body.beacon_address',
    };
  if (body.participant_pk !== membership.participant_pk)
    return { code: 'wrong_member', text: 'the companion is another member', field: 'body.participant_pk' };
  if (!companion.policy!.dids.includes(body.did))
    return { code: 'not_admitted', text: `the policy does not name ${body.did}`, field: 'body.did' };
  return { membership, beacon };
}

/** The proof of control is the owner's; the seat is the companion's: it goes on as it came. */
function decideRegistration(
  state: WalletState,
  companion: Companion,
  envelope: Of<'did_registration'>,
  env: Env,
): Decision {
  const { body, cohort, id } = envelope;
  const place = placeOf(state, companion, envelope, env);
  if ('code' in place) return refuse(companion, envelope, place.code, place.text, place.field);
  const { did, proof, sidecar } = body;
  if (!proof || !sidecar)
    return refuse(companion, envelope, 'control_not_proven', 'proof and sidecar are due', 'body.proof');
  const { terms } = place.membership;
  const subject = subjectOf(did, sidecar, terms.btc_network);
  if (!subject) return refuse(companion, envelope, 'invalid_did', 'the sidecar does not make this DID', 'body.sidecar');
  const names = addressesIn({ did, sidecar });
  const own = state.dids.get(did);
  const { network, public_key, genesis } = subject;
  return {
    events: [
      own
        ? { type: 'companion_named', did, names }
        : { type: 'did_created', did, name: null, network, public_key, genesis, names },
      { type: 'registration_asked', cohort, did },
      { type: 'companion_ordered', order: registrationOrder(cohort, did), envelope_id: id },
    ],
    effects: [{ type: 'send', cohort, message: { type: 'did_registration', body }, slot: `register ${did}` }],
  };
}

const registrationOrder = (cohort: string, did: string): string => `${cohort} register ${did}`;

/** What a companion keeps of a DID whose key it does not have; null where the sidecar is of another DID. */
function subjectOf(did: string, sidecar: Record<string, unknown>, network: Network) {
  try {
    const parts = decodeDid(did);
    if (parts.network !== network) return null;
    if (parts.kind === 'key') return { network, public_key: toHex(parts.genesisBytes), genesis: null };
    const genesis = sidecar.genesisDocument as DidDocument;
    return didOfGenesis(genesis, network) === did ? { network, public_key: '', genesis } : null;
  } catch {
    return null;
  }
}

/**
 * Every beacon address that documents or updates mention anywhere: rather one too many than one too few, since of a DID
 * that may name a beacon no signal goes without its proof.
 */
export const addressesIn = (value: object): string[] => [
  ...new Set(
    [...JSON.stringify(value).matchAll(/bitcoin:([A-Za-z0-9]{14,100})/g)].map(([, address]) =>
      /^(?:bc|tb|bcrt)1/i.test(address!) ? address!.toLowerCase() : address!,
    ),
  ),
];

/**
 * The owner's update, byte for byte. What is refused here is never taken later either: the owner signs another one of that
 * version as soon as it hears of it.
 */
function decideUpdate(state: WalletState, companion: Companion, envelope: Of<'did_update'>, env: Env): Decision {
  const { body, cohort, id } = envelope;
  const { did, invocation } = body;
  if (isInDoubt(state, did)) return { refuse: `it is in doubt what was signed for ${did}: nothing is taken for it` };
  const read = invocation === undefined ? null : readUpdate(invocation);
  if (!read)
    return refuse(companion, envelope, 'update_invalid', 'a companion takes whole, signed updates', 'body.invocation');
  const { update, announcement, version } = read;
  const updates = state.dids.get(did)?.updates ?? [];
  const known = updates.find(each => each.announcement === announcement);
  const no = (code: RejectionCode, text: string, field: string): Decision => {
    const refused = refuse(companion, envelope, code, text, field);
    const isOpen = known && !isFree(known);
    return isOpen || companion.released.has(announcement)
      ? refused
      : { ...refused, events: giveUp(did, announcement, text, known) };
  };
  if (companion.released.has(announcement))
    return no('version_taken', `it was given up: ${companion.released.get(announcement)!.text}`, 'body.invocation');
  if (known?.cohorts.includes(cohort)) return { events: [], effects: [acknowledge(companion, envelope, read)] };
  const place = placeOf(state, companion, envelope, env);
  if ('code' in place) return no(place.code, place.text, place.field);
  const { membership, beacon } = place;
  if (beacon.registrations.get(did)?.name !== 'held')
    return no('did_not_registered', 'register the DID first', 'body.did');
  const other = updates.find(
    each => each.version === version && each.announcement !== announcement && isHeld(companion, each),
  );
  if (other)
    return no(
      'version_taken',
      `version ${version} has the update ${other.announcement}: withdraw it first`,
      'body.invocation',
    );
  const doubt = doubtAbout(state, state.dids.get(did)!, read);
  if (doubt) return { refuse: doubt };
  const forward = sendUpdate(membership, beacon, did, { update, bare: false, announcement, version });
  return {
    events: [
      { type: 'update_signed', did, version, announcement, update, names: addressesIn(update), cohorts: [cohort] },
      { type: 'companion_ordered', order: `${cohort} update ${announcement}`, envelope_id: id },
    ],
    effects: [...(membership.terms.flow === 'pull' ? [] : [forward]), acknowledge(companion, envelope, read)],
  };
}

const isHeld = ({ released }: Companion, { announcement }: WalletUpdate): boolean => !released.has(announcement);

function readUpdate(invocation: unknown): { update: SignedUpdate; announcement: string; version: number } | null {
  try {
    const update = parseUpdate(invocation);
    return { update, announcement: toHex(announcementOf(update)), version: update.targetVersionId };
  } catch (error) {
    if (error instanceof DidError) return null;
    throw error;
  }
}

/** Says that it is stored here, no more: the aggregator may still refuse it, and then that is told. */
const acknowledge = (
  companion: Companion,
  { cohort, body, id }: Of<'did_update'>,
  { announcement, version }: { announcement: string; version: number },
): Effect =>
  toOwner(
    companion,
    cohort,
    {
      type: 'ack',
      body: {
        accepted: 'did_update',
        did: body.did,
        announcement,
        target_version_id: version,
        verified: false,
        state: 'queued',
      },
    },
    id,
  );

function decideQuestion(state: WalletState, companion: Companion, envelope: Of<'proof_request'>): Decision {
  const { cohort, body, id } = envelope;
  const membership = state.cohorts.get(cohort);
  const beacon = membership && provenBeaconOf(membership);
  if (!beacon || !state.dids.has(body.did))
    return refuse(
      companion,
      envelope,
      'did_not_registered',
      'the companion knows nothing of this DID there',
      'body.did',
    );
  const { beacon_address } = beacon;
  const signals = evidenceAbout(beacon, body.did);
  const answer: Message = { type: 'proofs', body: { beacon_address, did: body.did, signals } };
  return { events: [], effects: [toOwner(companion, cohort, answer, id)] };
}

/** Stands for the session of a signal that is older than the companion's seat. */
const NO_SESSION = '00'.repeat(32);

/** All that the companion holds of one DID for the signals of a beacon. */
export const evidenceAbout = (beacon: MemberBeacon, did: string): SignalEvidence[] =>
  [...beacon.signals.values()]
    .filter(({ signal_bytes }) => holdsEvidence(beacon, signal_bytes, did))
    .map(({ signal_bytes, map, proofs, seen }) => ({
      session_id: [...beacon.sessions.values()].find(s => s.signal_bytes === signal_bytes)?.session_id ?? NO_SESSION,
      signal_bytes,
      txid: seen.txid,
      height: seen.height,
      evidence: map ? { map } : { proofs: { [did]: proofs.get(did)! } },
    }));

/** How things stand, for the owner. */
function companionState(state: WalletState, { policy, released }: Companion): CompanionState {
  const inDoubt = state.doubt !== null && state.doubt.addresses.size > 0;
  const text = inDoubt
    ? 'put back from a copy: what it signed since is in doubt until the chain has told'
    : policy === null
      ? 'waits for a policy'
      : null;
  const companion = asCompanion(state);
  return {
    policy_version: policy?.version ?? 0,
    revoked: policy?.revoked ?? false,
    text,
    cohorts: (policy ? advertsOf(policy) : []).map(({ cohort }) => {
      const heir = companion && heirView(companion, cohort);
      const view = cohortView(cohort, state.cohorts.get(cohort), companion?.failed.get(cohort) ?? null);
      return heir ? { ...view, heir } : view;
    }),
    released: [...released].map(([announcement, { did, text: why }]) => ({
      did,
      announcement,
      text: toPlainText(why, 1000),
    })),
  };
}

function cohortView(
  cohort: string,
  membership: Membership | undefined,
  failed: string | null,
): CompanionState['cohorts'][number] {
  const none = { cohort, text: null, beacon: null, participant_pk: membership?.participant_pk ?? null };
  if (!membership) return { ...none, phase: 'joining', text: failed };
  const { phase } = membership;
  switch (phase.name) {
    case 'asked':
    case 'seated':
      return { ...none, phase: phase.name };
    case 'proposed':
      return { ...none, phase: 'seated' };
    case 'restored':
      return { ...none, phase: 'ended', text: 'the companion lost its cohort key' };
    case 'retired':
      return { ...none, phase: 'ended', text: 'the companion deleted its cohort key' };
    case 'ended':
      return { ...none, phase: 'ended', text: toPlainText(phase.reason, 1000) };
    case 'ready': {
      const { participant_pubkeys, beacon_address, signatures, challenge } = phase.beacon;
      return { ...none, phase: 'ready', beacon: { participant_pubkeys, beacon_address, signatures, challenge } };
    }
  }
}

/** What an aggregator refused is not signed for any more: so the owner may sign another one of that version. */
export function releasedBy(state: WalletState, events: readonly WalletEvent[]): WalletEvent[] {
  const companion = asCompanion(state);
  if (!companion) return [];
  return events.flatMap((event): WalletEvent[] => {
    if (event.type !== 'update_moved' || event.state !== 'refused' || companion.released.has(event.announcement))
      return [];
    const { did, announcement, text = 'refused' } = event;
    const known = state.dids.get(did)?.updates.find(update => update.announcement === announcement);
    const isElsewhere = known?.cohorts.some(cohort => cohort !== event.cohort);
    return isElsewhere || isInDoubt(state, did) ? [] : [{ type: 'companion_released', did, announcement, text }];
  });
}

/** What the owner is told of what happened; `state` is the one after it. */
export function newsFor(state: WalletState, { events, effects }: Decided): Effect[] {
  const companion = asCompanion(state);
  if (!companion?.owner) return [];
  const news = events.flatMap(event => newsOf(state, companion, event));
  const isTold = effects.some(effect => effect.type === 'send' && effect.message.type === 'companion_state');
  const isChanged = !isTold && events.some(({ type }) => CHANGES.has(type));
  return isChanged ? [...news, tell(state, companion)] : news;
}

const CHANGES: ReadonlySet<WalletEvent['type']> = new Set([
  'joined',
  'seated',
  'cohort_ready',
  'membership_ended',
  'companion_released',
  'companion_join_failed',
  'companion_heir_signed',
  'restored',
  'doubt_settled',
]);

function newsOf(state: WalletState, companion: Companion, event: WalletEvent): Effect[] {
  switch (event.type) {
    case 'did_registered': {
      const { cohort, did, proven } = event;
      const signals = evidenceAbout(beaconOf(state.cohorts.get(cohort)!)!, did);
      const index = toHex(leafIndex(did));
      const body = { accepted: 'did_registration' as const, did, index, proven, signals };
      return [toOwner(companion, cohort, { type: 'ack', body }, companion.orders.get(registrationOrder(cohort, did)))];
    }
    case 'registration_refused': {
      const { cohort, did, code, text } = event;
      const body = { code: code as RejectionCode, text: toPlainText(text, 1000), field: did };
      const to = companion.orders.get(registrationOrder(cohort, did));
      return [toOwner(companion, cohort, { type: 'rejection', body }, to)];
    }
    case 'session_signed': {
      const membership = state.cohorts.get(event.cohort)!;
      const session = beaconOf(membership)!.sessions.get(event.session_id)!;
      return isTold(session) ? [sendSigned(state, companion, membership, session)] : [];
    }
    default:
      return [];
  }
}

/** What no signature follows from, whoever says it. */
const HARMLESS: ReadonlySet<Envelope['type']> = new Set([
  'ack',
  'rejection',
  'cohort_set',
  'cohort_ready',
  'cohort_status',
  'presence',
  'update_opportunity',
  'proofs',
  'signal_status',
  'spend_status',
  'round_aborted',
]);

/**
 * Without a policy in force a companion takes no step towards a signature, whatever is asked: what it signed is sent again
 * all the same, byte for byte.
 */
export function barredByOwner(
  state: WalletState,
  membership: Membership,
  envelope: Envelope,
  { now }: Env,
): Decision | null {
  const { cohort } = membership;
  const text = HARMLESS.has(envelope.type) ? null : policyBar(state, cohort, now);
  if (text === null) return null;
  const { body, id } = envelope;
  if (!('session_id' in body) || typeof body.session_id !== 'string') return { refuse: text };
  const { session_id } = body;
  const stage = beaconOf(membership)?.sessions.get(session_id)?.stage.name;
  if (stage === 'signed') return null;
  const code = 'policy_forbids';
  const vetoed: WalletEvent = { type: 'session_vetoed', cohort, session_id, code, text };
  const isUnderWay = stage !== undefined && stage !== 'lost';
  return beaconOf(membership)
    ? {
        events: isUnderWay ? [vetoed, { type: 'session_lost', cohort, session_id }] : [vetoed],
        effects: [sendVeto(cohort, session_id, id, code, text)],
      }
    : { refuse: text };
}
