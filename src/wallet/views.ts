import { fromHex } from '../crypto/index.ts';
import { cidV1 } from '../did/index.ts';
import type { CohortView, DidView, WalletStatus } from './api.ts';
import {
  concernedDids,
  holdsEvidence,
  type MemberBeacon,
  type Membership,
  openSessions,
  provenBeaconOf,
  type WalletDid,
  type WalletState,
} from './core.ts';

export function cohortViews(state: WalletState, hasKey: (transport: string) => boolean): CohortView[] {
  return [...state.cohorts.values()].map(membership => {
    const beacon = provenBeaconOf(membership);
    const { phase, terms } = membership;
    const proposed = phase.name === 'proposed' ? phase.set : null;
    const dids = beacon ? concernedDids(state, beacon) : [];
    return {
      cohort: membership.cohort,
      advert_id: terms.id,
      aggregator: terms.aggregator_did,
      phase: phase.name === 'ended' ? `ended: ${phase.reason}` : phase.name,
      beacon_address: beacon?.beacon_address ?? proposed?.beacon_address ?? null,
      members: (beacon ?? proposed)?.participant_pubkeys.length ?? null,
      participant_pk: membership.participant_pk,
      transport: transportView(membership, hasKey),
      terms,
      signals: [...(beacon?.signals.values() ?? [])].map(({ signal_bytes, seen }) => ({
        signal_bytes,
        ...seen,
        dids_proven: dids.filter(did => holdsEvidence(beacon!, signal_bytes, did)).length,
        map_cid: terms.type === 'CASBeacon' ? cidOf(signal_bytes) : null,
      })),
      open_sessions: (beacon ? openSessions(beacon) : []).map(({ session_id, round, attempt, steps }) => ({
        session_id,
        round,
        attempt,
        txid: steps[0]!.txid,
      })),
      ...(beacon?.status ? { status: beacon.status } : {}),
      ...(beacon?.leaving ? { leaving: true as const } : {}),
      ...(membership.companion === undefined ? {} : { companion: membership.companion }),
      ...(beacon && beacon.recoveries.length > 0 ? { recoveries: beacon.recoveries } : {}),
      last_abort: beacon && isPast(beacon, membership.last_abort) ? null : membership.last_abort,
    };
  });
}

/** Nothing of an attempt may still appear once its session is settled; whom it blamed stays of interest. */
function isPast({ sessions, signals }: MemberBeacon, abort: Membership['last_abort']): boolean {
  if (abort === null || (abort.blame ?? []).length > 0) return false;
  return [...sessions.values()].some(
    ({ round, purpose, settled, signal_bytes }) =>
      round === abort.round &&
      purpose === undefined &&
      (settled !== null || signals.get(signal_bytes)?.seen.status === 'final'),
  );
}

const cidOf = (hash: string): string => cidV1(fromHex(hash, 32));

function transportView({ transport, rebinding }: Membership, hasKey: (transport: string) => boolean) {
  if (rebinding && rebinding.refused === null && hasKey(rebinding.transport)) return 'asked';
  return hasKey(transport) ? 'here' : 'lost';
}

/** Null once nothing is in doubt any more. */
export const doubtView = ({ doubt }: WalletState): WalletStatus['doubt'] =>
  doubt && doubt.addresses.size > 0 ? { since: doubt.since, addresses: [...doubt.addresses.keys()] } : null;

export const didViews = (state: WalletState): DidView[] =>
  [...state.dids.values()].map(own => ({
    did: own.did,
    name: own.name,
    beacons: [...state.cohorts.values()].flatMap(membership => {
      const beacon = provenBeaconOf(membership);
      if (!beacon) return [];
      const view = beaconView(own, beacon);
      return view ? [{ cohort: membership.cohort, address: beacon.beacon_address, ...view }] : [];
    }),
    updates: own.updates.map(({ version, announcement, state: at, text, own_signals }) => ({
      version,
      announcement,
      cid: cidOf(announcement),
      state: at,
      text,
      ...(own_signals.length === 0
        ? {}
        : { singletons: own_signals.map(({ address, txid, status }) => ({ address, txid, status })) }),
    })),
  }));

/** Signals of the address that the chain shows and for which no proof of this DID is held. */
export const missingProofs = (beacon: MemberBeacon, did: string): number =>
  [...beacon.signals.values()].filter(
    ({ signal_bytes, seen }) => seen.status !== 'unseen' && !holdsEvidence(beacon, signal_bytes, did),
  ).length;

/** Whether the newest document that is final lists the beacon no more, and no draft does. */
function isRemoved({ updates }: WalletDid, address: string): boolean {
  const last = updates.findLast(({ state }) => state === 'final');
  const later = updates.filter(({ version, state }) => version > (last?.version ?? 0) && state !== 'refused');
  return last?.names != null && ![last, ...later].some(({ names }) => names?.includes(address));
}

/** A beacon counts as listed only with the proofs of its whole history: without them the DID would not resolve. */
function beaconView(
  own: WalletDid,
  beacon: MemberBeacon,
): Pick<DidView['beacons'][number], 'state' | 'text' | 'missing_proofs' | 'proven'> | null {
  const registration = beacon.registrations.get(own.did);
  const isNamed = own.named.has(beacon.beacon_address);
  if (!registration && !isNamed) return null;
  const missing_proofs = missingProofs(beacon, own.did);
  const text = registration?.name === 'refused' ? `${registration.code}: ${registration.text}` : null;
  const state =
    isNamed && isRemoved(own, beacon.beacon_address)
      ? 'removed'
      : registration?.name !== 'held'
        ? (registration?.name ?? 'drafted')
        : isNamed && missing_proofs === 0
          ? 'listed'
          : 'registered';
  return { state, text, missing_proofs, proven: registration?.name === 'held' && registration.proven };
}
