import type { CompanionPolicy } from '../../messages/index.ts';
import { beaconOf, type WalletState } from '../core.ts';
import type { CompanionPolicyView, CompanionView } from './api.ts';
import { advertsOf } from './pair.ts';
import { isTold } from './replies.ts';
import { isUnproven } from './restoring.ts';

/** A policy, with the ids of its cohorts instead of their adverts. */
export const policyView = ({
  version,
  fee_cap,
  expires_at,
  adverts,
  dids,
  revoked,
}: CompanionPolicy): CompanionPolicyView => ({
  version,
  fee_cap,
  expires_at,
  cohorts: advertsOf({ adverts }).map(({ cohort }) => cohort),
  dids,
  revoked,
});

/** What a person is shown of the pair that this wallet is a half of. */
export function viewOf(state: WalletState): CompanionView | null {
  const { companionship } = state;
  switch (companionship?.role) {
    case undefined:
      return null;
    case 'companion': {
      const { key, owner, policy, failed, acknowledged, expires_at } = companionship;
      const sessions = [...state.cohorts.values()].flatMap(membership =>
        [...(beaconOf(membership)?.sessions.values() ?? [])].filter(isTold),
      );
      return {
        role: 'companion',
        companion: key,
        owner,
        pairing_expires_at: owner === null ? expires_at : null,
        policy: policy && policyView(policy),
        not_joined: [...failed].map(([cohort, text]) => ({ cohort, text })),
        unacknowledged: sessions.filter(({ session_id }) => !acknowledged.has(session_id)).length,
      };
    }
    case 'owner': {
      const { companion, key, phase, reason, policy, told, heard_at } = companionship;
      return {
        role: 'owner',
        companion,
        owner: key,
        phase: phase === 'revoked' ? 'ended' : phase,
        reason,
        heard_at,
        policy: policy && policyView(policy),
        policy_in_force: told?.policy_version ?? 0,
        text: isUnproven(companionship)
          ? 'has not answered since this wallet was put back: until then nothing is signed for the DIDs that were'
          : (told?.text ?? null),
        not_joined: (told?.cohorts ?? []).flatMap(({ cohort, phase: at, text }) =>
          at === 'joining' || at === 'ended' ? [{ cohort, text: text ?? 'not joined yet' }] : [],
        ),
      };
    }
  }
}
