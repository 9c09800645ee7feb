import type { KeyStore } from '../shell/keystore.ts';
import type { Actor } from './actor.ts';
import { WalletError } from './api.ts';
import { beaconOf, type MemberBeacon, type Membership, type WalletDid, type WalletState } from './core.ts';

const ANSWER_MS = 60_000;

/** What a call to the wallet is about, found or refused by name. */
export interface Asking {
  didOf(did: string): WalletDid;
  readyBeacon(cohort: string): { membership: Membership; beacon: MemberBeacon };
  /** Refuses what could not be sent, before anything of it is stored. */
  requireTransport(cohort: string): void;
  /** Throws what the core refused. */
  refusedBy(drop: string | null): void;
  /** Waits until `look` finds an answer; `what` it is to is named when none comes in time. */
  answer<T>(look: (state: WalletState) => T | undefined, what: string, timeoutMs?: number): Promise<T>;
}

export function createAsking({ actor, keys }: { actor: Pick<Actor, 'state' | 'until'>; keys: KeyStore }): Asking {
  const didOf = (did: string): WalletDid => {
    const own = actor.state().dids.get(did);
    if (!own) throw new WalletError('unknown_did', `this wallet does not hold ${did}`);
    return own;
  };
  const readyBeacon = (cohort: string): { membership: Membership; beacon: MemberBeacon } => {
    const membership = actor.state().cohorts.get(cohort);
    if (!membership) throw new WalletError('unknown_cohort', `this wallet is in no cohort ${cohort}`);
    const beacon = beaconOf(membership);
    if (membership.phase.name === 'retired')
      throw new WalletError('retired', 'the cohort key was deleted: this beacon signals nothing more');
    if (!beacon) throw new WalletError('not_ready', `the cohort is ${membership.phase.name}`);
    return { membership, beacon };
  };
  function requireTransport(cohort: string): void {
    const membership = actor.state().cohorts.get(cohort);
    if (!membership || keys.has(membership.transport)) return;
    const text = `the transport key for cohort ${cohort} is not in this wallet: ask for another one first (rebind)`;
    throw new WalletError('transport_lost', text);
  }
  const refusedBy = (drop: string | null): void => {
    if (drop !== null) throw new WalletError('refused', drop);
  };
  async function answer<T>(
    look: (state: WalletState) => T | undefined,
    what: string,
    timeoutMs = ANSWER_MS,
  ): Promise<T> {
    const found = await actor.until(look, timeoutMs);
    if (found === undefined)
      throw new WalletError(
        'timeout',
        `no answer to ${what} yet; it stays sent, and its answer will be taken when it comes`,
      );
    return found;
  }

  return { didOf, readyBeacon, requireTransport, refusedBy, answer };
}
