import { addressToScript } from '../../../src/bitcoin/index.ts';
import type { DidDocument } from '../../../src/did/index.ts';
import { decide, emptyWallet, evolve, type Input, type WalletState } from '../../../src/wallet/core.ts';
import { versionsOf } from '../../../src/wallet/recovery.ts';
import type { SavedItem, SavedRecord } from '../../../src/wallet/saved/record.ts';
import { draw, publicHex } from '../../cohort/members.ts';
import { deliver, drafted, mine, ready, registerListed, type Scene, type XController } from '../core/driver.ts';
import type { Wallet } from '../core/wallet.ts';

/** A wallet with a DID whose update is final, and one that was in the same signal without an update. */
export interface Lived {
  scene: Scene;
  ada: Wallet;
  one: XController;
  two: XController;
}

export async function lived(type: 'SMTBeacon' | 'CASBeacon' = 'SMTBeacon'): Promise<Lived> {
  const scene = ready({ type });
  const ada = scene.wallets[0]!;
  const [one, two] = [registerListed(scene, ada, 'one'), registerListed(scene, ada, 'two')];
  const { update, document } = await drafted(one, 'first');
  ada.submit(one, update, document, [scene.cohort]);
  deliver(scene);
  mine(scene, 7);
  return { scene, ada, one, two };
}

/** Puts a record into an empty wallet, as the restorer does, and says what was dropped. */
export function putBack(
  { recovery, evidence }: SavedRecord,
  agreed: Omit<Extract<Input, { type: 'restore_cohort' }>, 'type' | 'participant_pk' | 'beacon' | 'dids'>,
  documents: ReadonlyMap<string, XController>,
): { state: WalletState; drops: (string | null)[] } {
  const state = emptyWallet();
  const feed = (input: Input): string | null => {
    const decision = decide(state, input, { now: 1, chain: null });
    if (!('events' in decision)) return 'drop' in decision ? decision.drop : decision.refuse;
    for (const event of decision.events) evolve(state, { ...event, at: 1 });
    return null;
  };
  const drops = recovery.dids.map(({ did, name, public_key, sidecar }) => {
    const { genesisDocument: genesis = null, updates } = sidecar as {
      genesisDocument?: DidDocument;
      updates: unknown[];
    };
    const made = versionsOf(did, documents.get(did)!.document, updates);
    return feed({ type: 'restore_did', did, name, network: recovery.network, public_key, genesis, ...made });
  });
  for (const { beacon_address, participant_pubkeys, participant_pk, dids } of recovery.cohorts) {
    const script_hex = addressToScript(beacon_address, recovery.network);
    const beacon = { beacon_address, participant_pubkeys, script_hex };
    drops.push(feed({ type: 'restore_cohort', ...agreed, participant_pk, beacon, dids }));
  }
  for (const { cohort } of state.cohorts.values())
    drops.push(feed({ type: 'restore_evidence', cohort, kept: evidence }));
  return { state, drops };
}

/** Items of about `bytes` bytes each, as many as that. */
export const filler = (count: number, bytes = 1_000, label = 'filler'): SavedItem[] =>
  Array.from({ length: count }, (_, i) => ({
    t: 'did',
    did: `did:${label}:${i}`,
    name: 'x'.repeat(bytes),
    public_key: publicHex(draw(`${label} ${i}`)),
    genesis: null,
  }));
