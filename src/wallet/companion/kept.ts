import { makeSidecar } from '../../did/index.ts';
import type { CompanionKept } from '../../messages/index.ts';
import type { Decision } from '../inputs.ts';
import { provenBeaconOf, type WalletDid, type WalletState } from '../state.ts';
import type { Companion } from './pair.ts';
import { refuse, toOwner } from './replies.ts';

/**
 * What the companion keeps of an owner that was put back from its words: the policy, which proves that the two are a pair,
 * and every update that it may still sign for, or has. Without those the owner could make a second one of a version.
 */
export function decideKeptAsked(
  state: WalletState,
  companion: Companion,
  envelope: Parameters<typeof refuse>[1],
): Decision {
  const { policy, sig } = companion;
  if (!policy || !sig) return refuse(companion, envelope, 'wrong_phase', 'the owner has signed no policy yet');
  const dids = [...state.dids.values()].map(own => ({
    did: own.did,
    cohorts: cohortsOf(state, own.did),
    sidecar: { ...sidecarFor(companion, own) },
  }));
  const body: CompanionKept = { policy, sig, dids };
  return {
    events: [],
    effects: [toOwner(companion, companion.pairing, { type: 'companion_kept', body }, envelope.id)],
  };
}

const cohortsOf = ({ cohorts }: WalletState, did: string): string[] =>
  [...cohorts.values()].flatMap(membership =>
    provenBeaconOf(membership)?.registrations.get(did)?.name === 'held' ? [membership.cohort] : [],
  );

/** What was given up is nothing that the owner may take for signed: it may have made another one of that version since. */
const sidecarFor = ({ released }: Companion, { genesis, updates }: WalletDid) =>
  makeSidecar({
    ...(genesis ? { genesisDocument: genesis } : {}),
    updates: updates.filter(({ announcement }) => !released.has(announcement)).map(({ update }) => update),
  });
