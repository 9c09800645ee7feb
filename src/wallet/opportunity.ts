import { type Bytes, fromHex, hmacSha256, toHex, utf8 } from '../crypto/index.ts';
import type { OpportunityEntry, UpdateOpportunity } from '../messages/index.ts';
import { leafIndex, leafValue } from '../smt/index.ts';
import { candidates, committedRival } from './check.ts';
import { doubtAbout } from './doubt.ts';
import type { WalletEvent } from './events.ts';
import type { Decision, Effect } from './inputs.ts';
import {
  type AnsweredEntry,
  beaconOf,
  isSigned,
  type MemberBeacon,
  type Membership,
  type Opportunity,
  type WalletState,
  type WalletUpdate,
} from './state.ts';

/** The pull flow's question. A blinded answer waits for the nonces, which need a secret. */
export function decideOpportunity(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  body: UpdateOpportunity,
): Decision {
  const { cohort, terms } = membership;
  const { opportunity_id, round, attempt } = body;
  if (terms.flow !== 'pull') return { refuse: 'the agreed advert has no pull flow' };
  if (body.beacon_address !== beacon.beacon_address) return { refuse: 'the opportunity names another beacon' };
  const known = beacon.opportunities.get(opportunity_id);
  if (known)
    return {
      events: [],
      effects: known.entries ? [sendResponse(state, membership, beacon, known, known.entries)] : [],
    };
  const asked: Opportunity = { opportunity_id, round, attempt, entries: null };
  const event: WalletEvent = { type: 'opportunity_asked', cohort, opportunity: asked };
  if (terms.privacy === 'blinded') return { events: [event], effects: [] };
  return answerOpportunity(state, membership, beacon, asked, [event], () => null);
}

/** Nonces for the leaves of a blinded tree, by DID. */
export function decideLeaves(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  opportunity_id: string,
  nonces: Readonly<Record<string, string>>,
): Decision {
  const asked = beacon.opportunities.get(opportunity_id);
  if (!asked || asked.entries) return { drop: 'no opportunity waits for leaves' };
  // A leaf without a nonce is the announcement itself, for everybody to see.
  if (!heldDids(beacon).every(did => Object.hasOwn(nonces, did))) return { drop: 'a leaf lacks its nonce' };
  return answerOpportunity(state, membership, beacon, asked, [], did => nonces[did] ?? null);
}

/** Answers with what is to be announced as things stand; `before` is what brought them there. */
export function answerOpportunity(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  asked: Opportunity,
  before: WalletEvent[],
  nonceOf: (did: string) => string | null,
): Decision {
  const { cohort } = membership;
  const entries = heldDids(beacon).map((did): AnsweredEntry => {
    const own = state.dids.get(did);
    const update =
      own &&
      candidates(own, cohort, beacon, '').findLast(
        candidate => !committedRival(own, candidate) && doubtAbout(state, own, candidate) === null,
      );
    // What is on its way already is announced by then; another signal for it would be one too many.
    const isWaiting =
      update &&
      (update.state === 'locked' ? isPromised(state, update) : !['broadcast', 'final'].includes(update.state));
    return { did, announcement: isWaiting ? update.announcement : null, nonce: nonceOf(did) };
  });
  return {
    events: [...before, { type: 'opportunity_answered', cohort, opportunity_id: asked.opportunity_id, entries }],
    effects: [sendResponse(state, membership, beacon, asked, entries)],
  };
}

/**
 * Whether only nonces left for what announces this update: then most likely nothing came of them, and the question is about
 * the same leaf again. Announced twice it would be a harmless duplicate; never offered again it would never be announced.
 */
function isPromised(state: WalletState, { announcement, own_signals }: WalletUpdate): boolean {
  const sessions = [...state.cohorts.values()]
    .flatMap(membership => [...(beaconOf(membership)?.sessions.values() ?? [])])
    .filter(({ updates }) => updates.some(update => update.announcement === announcement));
  return own_signals.length === 0 && sessions.some(({ nonced }) => nonced) && !sessions.some(isSigned);
}

export const heldDids = (beacon: MemberBeacon): string[] =>
  [...beacon.registrations].flatMap(([did, registration]) => (registration.name === 'held' ? [did] : []));

function sendResponse(
  state: WalletState,
  { cohort, terms }: Membership,
  beacon: MemberBeacon,
  { opportunity_id }: Opportunity,
  entries: readonly AnsweredEntry[],
): Effect {
  const entryOf = ({ did, announcement, nonce }: AnsweredEntry): OpportunityEntry => {
    if (terms.privacy === 'blinded') return { did, leaf: toHex(leafOf(announcement, nonce)) };
    const update = state.dids.get(did)?.updates.find(known => known.announcement === announcement);
    return update ? { did, ...submissionOf(update) } : { did, none: true };
  };
  return {
    type: 'send',
    cohort,
    message: {
      type: 'update_response',
      body: {
        beacon_address: beacon.beacon_address,
        opportunity_id,
        wants_signal: entries.some(entry => entry.announcement !== null),
        entries: entries.map(entryOf),
      },
    },
    slot: `opportunity ${opportunity_id}`,
  };
}

/** How an update is sent: whole, or by its hash alone where the member keeps it to itself. */
export const submissionOf = ({
  update,
  bare,
  announcement,
  version,
}: Pick<WalletUpdate, 'update' | 'bare' | 'announcement' | 'version'>) =>
  bare ? { announcement, target_version_id: version } : { invocation: { ...update } };

/** Sends an update to a cohort that takes them at any time. */
export const sendUpdate = (
  { cohort, participant_pk }: Pick<Membership, 'cohort' | 'participant_pk'>,
  { beacon_address }: Pick<MemberBeacon, 'beacon_address'>,
  did: string,
  update: Parameters<typeof submissionOf>[0],
): Effect => ({
  type: 'send',
  cohort,
  message: { type: 'did_update', body: { beacon_address, participant_pk, did, ...submissionOf(update) } },
  slot: `update ${did} ${update.announcement}`,
});

const leafOf = (announcement: string | null, nonce: string | null): Bytes =>
  leafValue({
    ...(nonce === null ? {} : { nonce: fromHex(nonce, 32) }),
    ...(announcement === null ? {} : { announcement: fromHex(announcement, 32) }),
  });

/** The nonce of one leaf of a blinded tree: the seed alone makes it again, whatever else was lost. */
export const treeNonce = (seed: Bytes, address: string, did: string, opportunityId: string): string =>
  toHex(hmacSha256(seed, utf8(address), leafIndex(did), fromHex(opportunityId, 32)));
