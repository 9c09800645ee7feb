import type { CompanionState, SignalEvidence } from '../../messages/index.ts';
import { toPlainText } from '../../messages/index.ts';
import { holdsEvidence } from '../check.ts';
import type { MemberBeacon, Membership, WalletState } from '../state.ts';
import { heirView } from './heir.ts';
import { advertsOf, asCompanion, type Companion } from './pair.ts';

/** How things stand, for the owner. */
export function companionState(state: WalletState, { policy, released }: Companion): CompanionState {
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
      const { participant_pubkeys, beacon_address, signatures, challenge, status } = phase.beacon;
      const beacon = { participant_pubkeys, beacon_address, signatures, challenge };
      return { ...none, phase: 'ready', beacon, ...(status ? { status } : {}) };
    }
  }
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
