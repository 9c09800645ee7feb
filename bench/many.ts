import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { curve } from '#curve';
import { type CohortEvent, type CohortState, evolve, signalHistory } from '../src/cohort/index.ts';
import { beaconOf } from '../src/cohort/keys.ts';
import { type Bytes, toHex } from '../src/crypto/index.ts';
import type { Terms } from '../src/messages/index.ts';
import { createMail } from '../src/shell/mail.ts';
import { openStore } from '../src/store/index.ts';
import { writeHistory } from './history.ts';
import { manyCohorts } from './many-cohorts.ts';
import { manyDids } from './many-dids.ts';
import { peakMib, timed } from './measure.ts';
import { plainTerms } from './plain-terms.ts';
import { report } from './report.ts';
import { sizes } from './sizes.ts';

const WEEKS = 52;
const random = (length: number): Bytes => Uint8Array.from(randomBytes(length));

/** Many DIDs in one round, 200 cohorts of five, a year of weekly signals over 10⁵ DIDs: `many dids`, `cohorts`, `year`; sizes after it. */
export async function run(args: readonly string[]): Promise<void> {
  const [part, ...rest] = args;
  const isAsked = (name: string): boolean => part === undefined || part === name;
  if (isAsked('dids')) for (const n of sizes(rest, [2_500])) await manyDids(n);
  if (isAsked('cohorts')) for (const n of sizes(rest, [200])) await manyCohorts(n);
  if (isAsked('year')) for (const n of sizes(rest, [100_000])) year(n);
}

function newKeys(count: number): string[] {
  return Array.from({ length: count }, () => {
    let secret = random(32);
    while (!curve.isSecretKey(secret)) secret = random(32);
    return toHex(curve.publicKey(secret));
  });
}

/** What a cohort of ten with `n` DIDs weighs after a year, and what a latecomer asks for. */
function year(n: number): void {
  const dir = mkdtempSync(join(tmpdir(), 'btcr2-bench-year-'));
  const path = join(dir, 'aggregator.db');
  try {
    const terms: Terms = plainTerms({ dids: { min: 0, max: n } });
    const { participant_pubkeys, beacon_address, script_hex } = beaconOf(newKeys(10), 'regtest');
    const cohort = toHex(random(32));
    const dids = Array.from({ length: n }, (_, i) => `did:btc1:year${i}`);
    const store = openStore(path, { application: 'aggregator' });
    let rows: { stream: string; type: string; at: number; body: CohortEvent }[] = [];
    const write = (): void => {
      store.commit({ events: rows });
      rows = [];
    };
    const about = { cohort, terms, members: participant_pubkeys, address: beacon_address, script_hex, dids };
    const written = timed(() =>
      writeHistory(
        { ...about, signals: WEEKS, updates: Math.ceil(n / 100), start: 1_800_000_000 },
        ({ at, ...body }) => {
          rows.push({ stream: cohort, type: body.type, at, body: body as CohortEvent });
          if (rows.length >= 1_000) write();
        },
      ),
    );
    write();
    store.close();

    const reopened = openStore(path, { application: 'aggregator' });
    let state: CohortState | null = null;
    const folded = timed(() => {
      for (const row of reopened.read(cohort)) state = evolve(state, { ...(row.body as CohortEvent), at: row.at });
    });
    const { phase } = state! as CohortState;
    if (phase.name !== 'formed') throw new Error('the history is not that of a formed cohort');
    const { beacon } = phase;
    const secret = random(32);
    const mail = createMail({ lend: (_key, use) => use(secret), random, maxMessageBytes: () => null });
    const from = toHex(curve.publicKey(secret).subarray(1));
    const to = participant_pubkeys[0]!.slice(2);
    const serve = (did: string) =>
      timed(() => {
        const signals = signalHistory(terms, beacon, did);
        const body = { beacon_address, did, signals };
        return mail.seal({ from, to, cohort, message: { type: 'proofs', body }, seq: 1 }, 1_900_000_000).items;
      });
    const first = serve('did:btc1:latecomer');
    const others = Array.from({ length: 9 }, (_, i) => serve(`did:btc1:latecomer${i}`)).sort((a, b) => a.ms - b.ms);
    const leaf = serve(dids[n >> 1]!);
    reopened.close();
    report({
      bench: 'many',
      what: `a year: ${WEEKS} signals`,
      side: 'ours',
      n,
      figures: {
        disk_mib: statSync(path).size / 2 ** 20,
        made_s: written.ms / 1_000,
        folded_s: folded.ms / 1_000,
        first_latecomer_ms: first.ms,
        latecomer_ms: others[4]!.ms,
        latecomer_cpu_ms: others[4]!.cpuMs,
        leaf_ms: leaf.ms,
        answer_kib: JSON.stringify(first.result).length / 1_024,
        peak_mib: peakMib(),
      },
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
