import { confirmations, MIN_CONFIRMATIONS } from '../bitcoin/index.ts';
import type { ChainView } from '../cohort/index.ts';
import type { CohortStatus, Envelope } from '../messages/index.ts';
import { openSessions } from './check.ts';
import type { Decision, Env, Input } from './inputs.ts';
import { sendVeto } from './rounds.ts';
import { concernedDids, type MemberBeacon, type Membership, type WalletState } from './state.ts';

/** The aggregator's word about members that go and about the cohort's end: kept and shown, and nothing else follows. */
export function decideCohortStatus({ cohort }: Membership, beacon: MemberBeacon, body: CohortStatus): Decision {
  if (body.beacon_address !== beacon.beacon_address) return { drop: 'a status of another beacon' };
  if (body.number <= (beacon.status?.number ?? 0)) return { events: [], effects: [] };
  return { events: [{ type: 'status_told', cohort, status: body }], effects: [] };
}

const quoted = (dids: readonly string[]): string => dids.join(', ');

/**
 * Says to everybody that this member wants to go. Refused while a DID of this wallet lists the beacon: the others may
 * end the cohort at once, and take the DID's beacon away.
 */
export function decideLeave(
  membership: Membership,
  { reason, listing = [], force = false }: Extract<Input, { type: 'leave' }>,
): Decision {
  const { cohort, phase, participant_pk } = membership;
  if (['restored', 'retired', 'ended'].includes(phase.name))
    return { refuse: `there is no seat to give back: the membership is ${phase.name}` };
  if (phase.name === 'ready' && listing.length > 0 && !force)
    return {
      refuse: `the document of ${quoted(listing)} still lists this beacon: update that away from it first, or force it`,
    };
  const body = { participant_pk, reason };
  return { events: [], effects: [{ type: 'send', cohort, message: { type: 'leave', body }, slot: 'leave' }] };
}

/**
 * Why the cohort key must not be deleted yet; null when nothing needs it any more. `listing` are own DIDs whose document on
 * the chain lists the beacon. What only costs money or waits for ever can be abandoned; a DID cannot.
 */
export function keyNeeded(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  { listing, abandon, chain }: { listing: readonly string[]; abandon: boolean; chain: ChainView | null },
): string | null {
  if (listing.length > 0) return `the document of ${quoted(listing)} still lists this beacon`;
  const waiting = concernedDids(state, beacon).flatMap(did => {
    const update = state.dids
      .get(did)
      ?.updates.find(known => known.cohorts.includes(membership.cohort) && isOnItsWay(known.state));
    return update ? [`version ${update.version} of ${did} is ${update.state}`] : [];
  });
  if (waiting.length > 0) return `an update was signed for and is not final: ${waiting[0]}`;
  if (!chain) return 'the chain cannot be read: it has to show that nothing is left at the address';
  if (abandon) return null;
  const [open] = openSessions(beacon);
  if (open) return `session ${open.session_id} is open: what it spends cannot be spent otherwise without this key`;
  const shallow = chain.history.some(tx => tx.spends && confirmations(tx.height, chain.tip.height) < MIN_CONFIRMATIONS);
  if (shallow) return `a transaction that spends from the address is not yet ${MIN_CONFIRMATIONS} blocks deep`;
  const sats = chain.utxos
    .filter(({ value_sats }) => value_sats > membership.terms.fee_cap)
    .reduce((sum, { value_sats }) => sum + value_sats, 0);
  return sats > 0 ? `${sats} sat are at the address, and nobody can move them without this key` : null;
}

const isOnItsWay = (state: string): boolean => ['frozen', 'locked', 'broadcast', 'returned'].includes(state);

/** The membership ends here for signing, before the key is deleted: a crash between the two cannot bring it back. */
export function decideRetire(
  state: WalletState,
  membership: Membership,
  beacon: MemberBeacon,
  { listing, abandon }: Extract<Input, { type: 'retire' }>,
  { chain }: Env,
): Decision {
  const needed = keyNeeded(state, membership, beacon, { listing, abandon, chain });
  if (needed !== null) return { refuse: needed };
  const { cohort, participant_pk } = membership;
  const body = { participant_pk, beacon_address: beacon.beacon_address };
  return {
    events: [{ type: 'retired', cohort }],
    effects: [{ type: 'send', cohort, message: { type: 'key_deleted', body }, slot: 'key_deleted' }],
  };
}

/** Whoever still asks for a signature learns why none will ever come. */
export function refuseToSign(cohort: string, envelope: Envelope): Decision | null {
  const { type } = envelope;
  if (
    type !== 'authorize_beacon_signal_request' &&
    type !== 'authorize_spend_request' &&
    type !== 'fallback_authorization_request'
  )
    return null;
  const text = 'the cohort key was deleted: this beacon signals nothing more';
  return {
    events: [],
    effects: [sendVeto(cohort, envelope.body.session_id, envelope.id, 'key_deleted', text)],
  };
}
