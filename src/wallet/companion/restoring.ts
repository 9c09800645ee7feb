import { curve } from '#curve';
import { fromHex, toHex } from '../../crypto/index.ts';
import {
  announcementOf,
  beaconAddresses,
  DidError,
  documentOfGenesis,
  initialDocument,
  parseUpdate,
  readSidecar,
} from '../../did/index.ts';
import { type CompanionKept, companionPolicyStatement } from '../../messages/index.ts';
import type { WalletEvent } from '../events.ts';
import { evolve } from '../evolve.ts';
import type { Decision, Input } from '../inputs.ts';
import { versionsOf } from '../recovery.ts';
import { provenBeaconOf, type WalletDid, type WalletState } from '../state.ts';
import { asOwner, type Owner } from './pair.ts';
import { sync, toCompanion } from './requests.ts';

/**
 * An owner that was put back from its words: they make the key of the channel again, and a record names the companion. It
 * is believed nothing until it shows a policy that this very key signed.
 */
export function decideRestore(
  state: WalletState,
  { type: _, ...put }: Extract<Input, { type: 'companion_restore' }>,
): Decision {
  if (state.companionship) return { refuse: 'this wallet is a half of a pair already' };
  const body = { sessions: [], kept: true as const };
  return {
    events: [{ type: 'companion_restored', ...put }],
    effects: [toCompanion(put, { type: 'companion_sync', body }, 'kept')],
  };
}

/** Whether the companion of a wallet that was put back has not said yet what it keeps. */
export const isUnproven = ({ restored }: Owner): boolean => restored?.kept === null;

/**
 * Why nothing may be signed for a DID that was put back: the companion may hold an update of it that the record does not
 * know, and sign that at any time; null where nothing is waited for.
 */
export function companionSilence(state: WalletState, own: WalletDid): string | null {
  const owner = asOwner(state);
  return owner && isUnproven(owner) && own.restored
    ? `the companion has not said yet what it holds of ${own.did}, and may sign an update of it that this wallet does not know: let it answer, or give it up for lost (btcr2-wallet companion revoke --lost)`
    : null;
}

/** Takes what the companion kept, each piece only if it verifies: updates by the documents that they are made for. */
export function decideKept(state: WalletState, owner: Owner, body: CompanionKept): Decision {
  if (!isUnproven(owner)) return { drop: 'nothing of that was asked for' };
  const { policy, sig, dids } = body;
  const statement = companionPolicyStatement({ companion: owner.companion, owner: owner.key, policy });
  if (!curve.verifySchnorr(statement, fromHex(owner.key), fromHex(sig)))
    return { refuse: 'the companion shows no policy that this wallet signed' };
  const events: WalletEvent[] = [{ type: 'companion_kept', policy, dids }];
  for (const { did, sidecar } of dids) {
    const own = state.dids.get(did);
    if (own) events.push(...updatesKept(own, sidecar));
  }
  for (const membership of state.cohorts.values())
    if (membership.companion === owner.companion && provenBeaconOf(membership))
      events.push(...registrationsKept(dids, membership.cohort));
  if (policy.revoked) events.push({ type: 'companion_ended', reason: 'revoked', revoked: true });
  // A copy, since evolve changes maps in place and a decision changes nothing.
  const next = events.reduce((now, event) => evolve(now, { ...event, at: 0 }), structuredClone(state));
  return { events, effects: [sync(next, owner)] };
}

/** Registrations that the companion says it made; the proofs that it hands out for them verify, or are none. */
export const registrationsKept = (dids: CompanionKept['dids'], cohort: string): WalletEvent[] =>
  dids.flatMap(({ did, cohorts }): WalletEvent[] =>
    cohorts.includes(cohort) ? [{ type: 'did_registered', cohort, did, proven: true }] : [],
  );

/** Updates that this wallet's record lacks. What fits on none of its documents is no update of this DID by its key. */
function updatesKept(own: WalletDid, sidecar: Record<string, unknown>): WalletEvent[] {
  const { did, genesis } = own;
  const first = genesis ? documentOfGenesis(did, genesis) : initialDocument(did);
  const known = new Set(own.updates.map(({ announcement }) => announcement));
  try {
    const lacking = [...readSidecar(sidecar).updates.values()].filter(
      update => !known.has(toHex(announcementOf(parseUpdate(update)))),
    );
    if (lacking.length === 0) return [];
    const all = versionsOf(did, first, [...own.updates.map(({ update }) => update), ...lacking]);
    const names = [...new Set(all.documents.flatMap(beaconAddresses))];
    const updates = all.updates.filter(({ announcement }) => !known.has(announcement));
    return [{ type: 'updates_restored', did, names, updates }];
  } catch (error) {
    if (error instanceof DidError) return [];
    throw error;
  }
}
