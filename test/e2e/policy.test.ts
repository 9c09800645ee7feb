import { expect, test } from 'vitest';
import { z } from 'zod';
import { parseTx } from '../../src/bitcoin/index.ts';
import { startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay } from '../../src/testing/relay.ts';
import { deposit, removeDir, startAggregator, startWallet, tempDir, until } from './harness.ts';
import { openPair } from './pair.ts';
import { addService } from './raw-did.ts';

const WAIT_MS = 60_000;
const POLICIES = {
  'datacarriersize=42': ['-datacarriersize=42'],
  'datacarriersize=83': ['-datacarriersize=83'],
  default: [],
};
const verdicts = z.array(z.object({ allowed: z.boolean(), 'reject-reason': z.string().optional() }));
const pool = z.array(z.string());

test('nodes of every policy take every step of a signal with change, and a cancel', { timeout: 240_000 }, async () => {
  const dir = tempDir();
  const node = await startRegtest();
  const relay = await startTestRelay();
  const world = { dir, node, relays: [relay.url] };
  const aggregator = await startAggregator(world, {
    latency: { cohort_set: 60, presence: 2, nonce: 60, signature: 3 },
    fee_ladder: { steps: 4, factor: 2, blocks: 144 },
  });
  const wallet = await startWallet(world, 'alexis');
  const [signal, cancel] = [
    await openPair({ aggregator, relay, wallet }),
    await openPair({ aggregator, relay, wallet }),
  ];
  const open = [signal.bob.close, cancel.bob.close, wallet.stop, aggregator.stop];
  const closeAll = () => Promise.all(open.splice(0).map(close => close()));
  try {
    await deposit(node, signal.address, cancel.address);
    cancel.bob.habits.sign = false;
    await wallet.update({ did: signal.did, patch: addService('one') });
    await wallet.update({ did: cancel.did, patch: addService('one') });
    const { body: told } = await signal.bob.next('signal_status', () => true, WAIT_MS);
    await cancel.bob.next('round_aborted', ({ body }) => body.open, WAIT_MS);
    await aggregator.api.spendStart({ cohort: cancel.cohort, purpose: 'cancel' });
    cancel.bob.habits.sign = true;
    const { body: closed } = await cancel.bob.next('spend_status', () => true, WAIT_MS);
    const hexes = [...told.transactions, ...closed.transactions];
    expect(hexes).toHaveLength(5);
    expect(told.transactions.map(hex => parseTx(hex).outputs.length)).toEqual([2, 2, 2, 2]);
    await until('both wait', async () => pool.parse(await node.rpc('getrawmempool')).length === 2, WAIT_MS);
    await closeAll();

    const judged: Record<string, unknown[]> = {};
    for (const [policy, args] of Object.entries(POLICIES)) {
      await node.restart([...args, '-persistmempool=0']);
      judged[policy] = [];
      for (const hex of hexes) judged[policy].push(...verdicts.parse(await node.rpc('testmempoolaccept', [[hex]])));
    }
    for (const said of Object.values(judged)) expect(said).toMatchObject(hexes.map(() => ({ allowed: true })));
    // The node does judge: one byte less than the signal's output is long, and it is refused.
    await node.restart(['-datacarriersize=33', '-persistmempool=0']);
    const [strict] = verdicts.parse(await node.rpc('testmempoolaccept', [[hexes[0]]]));
    expect(strict!.allowed).toBe(false);
  } finally {
    await closeAll();
    await relay.stop();
    await node.stop();
    removeDir(dir);
  }
});
