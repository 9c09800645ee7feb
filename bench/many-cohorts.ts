import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { curve } from '#curve';
import { toHex } from '../src/crypto/index.ts';
import { encodeDid, initialDocument } from '../src/did/index.ts';
import { leafIndex } from '../src/smt/index.ts';
import { openStore } from '../src/store/index.ts';
import { report } from './report.ts';
import { OPEN_DOOR } from './round.ts';
import { startWorld, until } from './world.ts';

const MEMBERS = 5;
const DIDS = 100_000;
const PATIENCE = 1_800;

/** `n` cohorts of five in one daemon: all their rounds at once, what an idle one costs, and a restart with 10⁵ DIDs. */
export async function manyCohorts(n: number): Promise<void> {
  const world = await startWorld([MEMBERS], OPEN_DOOR);
  try {
    const empty = await world.vitals();
    const started = performance.now();
    const cohorts: string[] = [];
    for (let i = 0; i < n; i++) {
      const { cohort } = await world.aggregator('advertCreate', {
        id: `many-${i}`,
        cohort_size: { min: MEMBERS, max: MEMBERS },
        dids: { min: 0, max: 1_000 },
        frequency: { interval: 31_536_000, min_interval: 0, pending_updates: 1_000 },
        latency: { cohort_set: PATIENCE, presence: PATIENCE, nonce: PATIENCE, signature: PATIENCE },
      });
      cohorts.push(cohort);
    }
    const addresses = await world.wallets[0]!.ask<string[]>('joinAll', { cohorts });
    const formedS = (performance.now() - started) / 1_000;
    for (const [i, address] of addresses.entries()) {
      await world.node.fund(address, 100_000);
      // A node takes no long chain of its own unconfirmed change.
      if (i % 20 === 19) await world.node.mine(1);
    }
    await world.node.mine(6);
    await world.wallets[0]!.ask('updateAll', { tag: 'many' });
    const idle = await world.vitals();

    const from = performance.now();
    for (const cohort of cohorts)
      await until('a round opens', async () => (await world.aggregator('roundOpen', { cohort })).opened, PATIENCE, 100);
    await until(
      'all signals',
      async () => ((await world.node.rpc('getrawmempool')) as string[]).length >= n,
      PATIENCE,
      50,
    );
    const seconds = (performance.now() - from) / 1_000;
    const busy = await world.vitals();
    report({
      bench: 'many',
      what: `rounds of cohorts of ${MEMBERS}, all at once`,
      side: 'ours',
      n,
      figures: {
        formed_s: formedS,
        s: seconds,
        rounds_a_minute: (n * 60) / seconds,
        aggregator_cpu_s: (busy.cpuMs - idle.cpuMs) / 1_000,
        kib_an_idle_cohort: ((idle.rssMib - empty.rssMib) * 1_024) / n,
        rss_mib: busy.rssMib,
        stall_ms: busy.stallMs,
      },
    });
    await restart(world, cohorts);
  } finally {
    await world.stop();
  }
}

/** Gives every cohort its share of 10⁵ DIDs, as registrations in its log, and starts the daemon with them. */
async function restart(world: Awaited<ReturnType<typeof startWorld>>, cohorts: readonly string[]): Promise<void> {
  const ms = await world.restart(stateDir => {
    const store = openStore(join(stateDir, 'aggregator.db'), { application: 'aggregator' });
    for (const cohort of cohorts) {
      let member = '';
      for (const { type, body } of store.read(cohort))
        if (type === 'seat_taken') member = (body as { participant_pk: string }).participant_pk;
      const share = Math.ceil(DIDS / cohorts.length);
      store.commit({
        events: Array.from({ length: share }, () => ({
          stream: cohort,
          type: 'did_registered',
          at: Math.floor(Date.now() / 1_000),
          body: { type: 'did_registered', request_id: randomBytes(32).toString('hex'), member, ...newDid() },
        })),
      });
    }
    store.close();
  });
  await new Promise(resolve => setTimeout(resolve, 2_000));
  const { rssMib, stallMs } = await world.vitals();
  report({
    bench: 'many',
    what: `start with ${DIDS} DIDs in so many cohorts`,
    side: 'ours',
    n: cohorts.length,
    figures: { s: ms / 1_000, rss_mib: rssMib, stall_ms: stallMs },
  });
}

/** What a registration says of a DID that nobody controls. */
export function newDid() {
  let secret: Uint8Array = Uint8Array.from(randomBytes(32));
  while (!curve.isSecretKey(secret)) secret = Uint8Array.from(randomBytes(32));
  const did = encodeDid({ version: 1, network: 'regtest', kind: 'key', genesisBytes: curve.publicKey(secret) });
  const known = { document: initialDocument(did), version: 1 };
  return { did, index: toHex(leafIndex(did)), proven: true, known, deactivated: false };
}
