import { join } from 'node:path';
import { expect } from 'vitest';
import { parseTx, readSignalPsbt } from '../../../src/bitcoin/index.ts';
import type { Daemon } from '../../../src/daemon.ts';
import type { Resolution } from '../../../src/did/index.ts';
import { type Regtest, startRegtest } from '../../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../../src/testing/relay.ts';
import type { Wallet } from '../../../src/wallet/client.ts';
import { removeDir, startAggregator, startWallet, tempDir, until } from '../../e2e/harness.ts';
import { openPair, type Pair } from '../../e2e/pair.ts';
import { addService } from '../../e2e/raw-did.ts';
import { type Miner, minerOf } from './miner.ts';
import { type Cell, fateOf, PHASES, type Phase } from './phases.ts';

const WAIT_MS = 90_000;
const FINAL = 6;

interface Seat extends Pair {
  phase: Phase;
  /** Announcements by version, as they were first signed. */
  signed: Map<number, string>;
}

interface World {
  node: Regtest;
  miner: Miner;
  relay: TestRelay;
  aggregator: Daemon;
  wallet: Wallet;
  seats: Seat[];
}

/** Looks now and then only: daemon and wallet share this thread. */
const waits = <T>(what: string, look: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> =>
  until(
    what,
    async () => {
      const found = await look();
      if (!found) await new Promise(resolve => setTimeout(resolve, 150));
      return found;
    },
    WAIT_MS,
  );

/**
 * One node, one daemon, one wallet, and a cohort for each phase, all brought to their phases before the last blocks are
 * taken back, once for each depth. Throws where anything that must hold does not. Returns what happened in each cell.
 */
export async function playReorgs(depths: readonly number[]): Promise<Cell[]> {
  const dir = tempDir();
  const node = await startRegtest();
  const relay = await startTestRelay();
  const place = { dir: join(dir, 'world'), node, relays: [relay.url] };
  const aggregator = await startAggregator(place, {
    cohort_size: { min: 2, max: 2 },
    latency: { cohort_set: 60, presence: 2, nonce: 10, signature: 4 },
    fee_ladder: { steps: 4, factor: 2, blocks: 144 },
  });
  const wallet = await startWallet(place, 'alexis');
  const seats: Seat[] = [];
  try {
    for (const phase of PHASES)
      seats.push({ ...(await openPair({ aggregator, relay, wallet })), phase, signed: new Map() });
    const world: World = { node, miner: minerOf(node), relay, aggregator, wallet, seats };
    for (const { address } of seats) await node.fund(address, 1_000_000);
    await world.miner.mine(FINAL);
    const cells: Cell[] = [];
    for (const depth of depths) cells.push(...(await sweep(world, depth)));
    // One more round for each, on a quiet chain.
    await Promise.all(seats.map(seat => announce(world, seat)));
    await finish(world);
    return cells;
  } finally {
    await Promise.all(seats.map(({ bob }) => bob.close()));
    await wallet.stop();
    await aggregator.stop();
    await relay.stop();
    await node.stop();
    removeDir(dir);
  }
}

const show = ({ aggregator }: World, { cohort }: Seat) => aggregator.api.cohortShow({ cohort });
const lastSignal = async (world: World, seat: Seat) =>
  (await show(world, seat)).rounds.findLast(({ stage, txid }) => txid !== null && /announced|closed/.test(stage));

const updatesOf = ({ wallet }: World, { did }: Seat) => wallet.status().dids.find(view => view.did === did)!.updates;

async function update(world: World, seat: Seat): Promise<void> {
  const { version, announcement } = await world.wallet.update({
    did: seat.did,
    patch: addService(`v${seat.signed.size + 2}`),
  });
  seat.signed.set(version, announcement);
}

/** A new update of the seat's DID, announced: its signal waits in the mempool. */
async function announce(world: World, seat: Seat): Promise<void> {
  const before = (await show(world, seat)).signals;
  await update(world, seat);
  await waits(`${seat.phase}: a signal`, async () => (await show(world, seat)).signals === before + 1);
  const sent = await lastSignal(world, seat);
  await waits(`${seat.phase}: in the mempool`, async () => (await world.miner.confirmations(sent!.txid!)) === 0);
}

const within = (seats: readonly Seat[], phases: readonly Phase[]): Seat[] =>
  seats.filter(({ phase }) => phases.includes(phase));

const NEXT = PHASES.slice(4);

/** Brings every cohort to its phase, the deepest signals first. */
async function prepare(world: World): Promise<void> {
  const { seats, miner, wallet } = world;
  const all = (phases: readonly Phase[], act: (seat: Seat) => Promise<void>) =>
    Promise.all(within(seats, phases).map(act));
  await all(['final', ...NEXT], seat => announce(world, seat));
  await miner.mine(3);
  await all(['3 conf'], seat => announce(world, seat));
  await miner.mine(2);
  await all(['1 conf'], seat => announce(world, seat));
  await miner.mine(1);
  await all(['final', ...NEXT], async seat => {
    await waits(`${seat.phase}: final`, async () => (await lastSignal(world, seat))?.stage === 'closed');
    await waits(`${seat.phase}: final for the wallet`, () =>
      updatesOf(world, seat).every(({ state }) => state === 'final'),
    );
  });
  await all(NEXT, async seat => {
    const { habits } = seat.bob;
    if (seat.phase === 'next: presence') habits.presence = false;
    if (seat.phase === 'next: nonces') habits.nonces = false;
    if (seat.phase === 'next: open') habits.sign = false;
    if (seat.phase === 'next: sent') return announce(world, seat);
    await update(world, seat);
    const asked = { 'next: presence': /members are present/, 'next: nonces': /1 of 2 members checked/ } as const;
    const at = seat.phase === 'next: open' ? /members authorized it|: open;/ : asked[seat.phase as keyof typeof asked];
    await waits(`${seat.phase}: held`, async () => at.test((await show(world, seat)).round));
  });
  await all(['mempool'], seat => announce(world, seat));
  expect(wallet.status().cohorts).toHaveLength(seats.length);
}

/** The complete transactions of a signal, cheapest first, as a member was told them. */
function stepsOf({ bob }: Seat, txid: string): string[] {
  const told = bob.all('signal_status').map(({ body }) => body.transactions);
  return told.findLast(hexes => hexes.some(hex => parseTx(hex).txid === txid)) ?? [];
}

async function sweep(world: World, depth: number): Promise<Cell[]> {
  const { miner, seats, aggregator } = world;
  await prepare(world);
  const before = await Promise.all(
    seats.map(async seat =>
      (await show(world, seat)).rounds.flatMap(({ txid, stage }) =>
        /announced|closed/.test(stage) && txid ? [txid] : [],
      ),
    ),
  );
  const deepBefore = await Promise.all(before.map(txids => Promise.all(txids.map(txid => miner.confirmations(txid)))));
  await miner.takeBack(depth);

  const left = new Set<string>();
  const cells: Cell[] = [];
  for (const [i, seat] of seats.entries()) {
    const now = await Promise.all(before[i]!.map(txid => miner.confirmations(txid)));
    const orphaned = now.filter((confirmations, at) => confirmations === 0 && deepBefore[i]![at] !== 0).length;
    const waiting = before[i]!.filter((_, at) => now[at] === 0);
    const fate = fateOf(seat.phase, depth);
    let moved = false;
    // Nothing that was announced may be lost: it waits, whatever its depth was.
    expect(now.every(confirmations => confirmations !== null)).toBe(true);
    if (fate === 'left') for (const txid of waiting) left.add(txid);
    const [oldest] = waiting;
    if (fate === 'other step' && oldest !== undefined) {
      const highest = await waits(`${seat.phase}: its steps`, () => stepsOf(seat, oldest).at(-1));
      await miner.send(highest);
      const { txid } = parseTx(highest);
      moved = txid !== oldest && NEXT.includes(seat.phase) && orphaned > 0;
      await waits(`${seat.phase}: the other step is followed`, async () =>
        (await show(world, seat)).rounds.some(round => round.txid === txid),
      );
    }
    cells.push({ depth, phase: seat.phase, fate, orphaned, moved });
  }
  await miner.mineWithout(left);
  await miner.empty(depth);
  await follows(world);
  for (const { bob } of seats) Object.assign(bob.habits, { presence: true, nonces: true, sign: true });
  await finish(world);
  for (const { cohort } of seats) expect((await aggregator.api.cohortShow({ cohort })).alarms).toEqual([]);
  return cells;
}

/** The status of every signal comes to be what the node says of its transaction. */
async function follows(world: World): Promise<void> {
  const { miner, seats } = world;
  for (const seat of seats)
    await waits(`${seat.phase}: status follows the chain`, async () => {
      for (const { txid, stage, status } of (await show(world, seat)).rounds) {
        if (!/announced|closed/.test(stage)) continue;
        const confirmations = (await miner.confirmations(txid!)) ?? 0;
        const due =
          confirmations === 0
            ? /^(broadcast|reorged)$/
            : new RegExp(`${confirmations >= FINAL ? 'final' : 'confirmed'} \\(${confirmations} `);
        if (!due.test(status ?? '')) return false;
      }
      return true;
    });
}

/** Blocks, until every update that was signed is final for both sides; then every DID resolves to the last of them. */
async function finish(world: World): Promise<void> {
  const { miner, seats, wallet } = world;
  const isDone = async (seat: Seat): Promise<boolean> =>
    (await show(world, seat)).rounds.every(({ stage }) => stage === 'closed') &&
    (await show(world, seat)).pending_updates === 0 &&
    updatesOf(world, seat).every(({ state }) => state === 'final');
  await miner.mine(FINAL);
  let last = Date.now();
  await waits('all rounds are closed, all updates final', async () => {
    const done = await Promise.all(seats.map(isDone));
    if (done.every(Boolean)) return true;
    if (Date.now() - last > 1_500) {
      await miner.mine(FINAL);
      last = Date.now();
    }
    return false;
  });
  await follows(world);
  for (const seat of seats) {
    const updates = updatesOf(world, seat);
    expect(new Map(updates.map(({ version, announcement }) => [version, announcement]))).toEqual(seat.signed);
    const resolved: Resolution = await wallet.resolve({ did: seat.did, minConf: FINAL });
    expect(resolved).toMatchObject({ versionId: String(seat.signed.size + 1) });
    oneSignalAnOutpoint(seat);
  }
}

/** Of all sessions whose aggregated nonce went out, those of one outpoint announce the same bytes, and no bytes go for two rounds. */
function oneSignalAnOutpoint({ bob }: Seat): void {
  const out = new Set(bob.all('aggregated_nonce').map(({ body }) => body.session_id));
  const bytesOf = new Map<string, string>();
  for (const { body } of bob.all('authorize_beacon_signal_request')) {
    if (!out.has(body.session_id)) continue;
    for (const psbt of body.pending_beacon_signal) {
      const spent = outpointOf(psbt);
      expect(bytesOf.get(spent) ?? body.signal_bytes).toBe(body.signal_bytes);
      bytesOf.set(spent, body.signal_bytes);
    }
  }
  expect(bytesOf.size).toBeGreaterThan(0);
}

function outpointOf(psbt: string): string {
  const { prevout } = readSignalPsbt(psbt);
  return `${prevout.txid}:${prevout.vout}`;
}
