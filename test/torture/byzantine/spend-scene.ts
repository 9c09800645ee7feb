import { expect } from 'vitest';
import { scriptToAddress } from '../../../src/bitcoin/index.ts';
import type { SpendPurpose } from '../../../src/messages/index.ts';
import { drafted, mine } from '../../wallet/core/driver.ts';
import { updateState } from '../../wallet/core/wallet.ts';
import { carry, MOVED_TO, type Order, type Stage, type Tamper, type Told, toldSince } from './scene.ts';

export const NEXT_ADDRESS = scriptToAddress(MOVED_TO, 'regtest')!;

/** The operator's command, once there is something to spend. */
interface Asked {
  begin(): void;
  /** Nothing is left to spend: what was to be cancelled went through after all. */
  isMoot?: () => boolean;
  /** Everything is again as it was before, but for what is in the chain. */
  after(): void;
}

/** A session that one member never finishes: all that a cancel is for. */
async function stalled(stage: Stage, owner: number): Promise<Asked> {
  const { aggregator, world, cohort } = stage;
  const owned = stage.owned[owner]!;
  const { wallet, controller, version } = owned;
  const made = await drafted(controller, `update ${++stage.sessions}`, { document: owned.document, version });
  wallet.submit(controller, made.update, made.document, [cohort]);
  const deaf = stage.wallets[(owner + 1) % stage.wallets.length]!;
  const tamper: Tamper = {
    down: (envelope, to) => (to === deaf && envelope.type === 'aggregated_nonce' ? [] : [envelope]),
  };
  for (const seconds of [0, 30, 30, 300, 300, 300]) {
    world.now += seconds;
    aggregator.advance();
    carry(stage, tamper);
    if (aggregator.beacon.round?.stage.name === 'waiting') break;
  }
  expect(aggregator.beacon.round?.stage.name).toBe('waiting');
  return {
    begin: () => expect(aggregator.spend({ purpose: 'cancel' })).toBeNull(),
    isMoot: () => aggregator.beacon.round?.stage.name === 'announced',
    after() {
      for (let tries = 0; tries < 14 && !updateState(wallet, controller.did, version + 1).includes('final'); tries++) {
        if (aggregator.beacon.round === null || aggregator.beacon.round.stage.name === 'announced') mine(stage, 6);
        else mine(stage, 1);
        carry(stage);
      }
      expect(updateState(wallet, controller.did, version + 1)).toContain('final');
      owned.document = made.document;
      owned.version += 1;
    },
  };
}

function moving(stage: Stage): Asked {
  const { aggregator, wallets, world, cohort } = stage;
  const agree = (to: string | null): void => {
    for (const wallet of wallets) wallet.feed({ type: 'agree_release', cohort, to });
  };
  agree(NEXT_ADDRESS);
  const outputs = world.chain.view(aggregator.script).utxos.length;
  return {
    begin: () => expect(aggregator.spend({ purpose: 'move', to: NEXT_ADDRESS })).toBeNull(),
    after() {
      mine(stage, 6);
      expect(world.chain.view(aggregator.script).utxos.length).toBeLessThan(outputs);
      agree(null);
      world.chain.deposit(aggregator.script, 1_000_000);
      mine(stage, 6);
    },
  };
}

/** Of a deposit that is there: of one that is not, no transcript can show what value was signed. */
function refunding({ aggregator, world }: Stage): Asked {
  const value_sats = 70_000;
  const txid = world.chain.deposit(aggregator.script, value_sats);
  return {
    begin: () => expect(aggregator.spend({ purpose: 'refund', outpoint: { txid, vout: 0, value_sats } })).toBeNull(),
    after: () => {},
  };
}

/** A spend begins and is spoilt for a while; then everybody is honest until it is signed, and the cohort goes on. */
export async function playSpend(
  stage: Stage,
  { owner, purpose }: { owner: number; purpose: SpendPurpose },
  tamper: Tamper,
  order?: Order,
): Promise<{ spoilt: Told; whole: Told; retries: number }> {
  const { aggregator, world } = stage;
  const asked =
    purpose === 'cancel' ? await stalled(stage, owner) : purpose === 'move' ? moving(stage) : refunding(stage);
  const told = toldSince(stage);
  const before = aggregator.beacon.spends.length;
  asked.begin();
  carry(stage, tamper, order);
  for (const seconds of [300, 300, 300, 300]) {
    if (aggregator.beacon.spend === null) break;
    world.now += seconds;
    aggregator.advance();
    carry(stage, tamper, order);
  }
  expect(aggregator.beacon.spend).toBeNull();
  tamper.later?.();
  carry(stage, tamper, order);
  const spoilt = told();
  const isDone = (): boolean =>
    (aggregator.beacon.spends.length > before && aggregator.beacon.spends.at(-1)!.transaction !== null) ||
    asked.isMoot?.() === true;
  let retries = 0;
  for (; !isDone() && retries < 3; retries++) {
    asked.begin();
    carry(stage);
  }
  expect(isDone()).toBe(true);
  asked.after();
  carry(stage);
  return { spoilt, whole: told(), retries };
}
