import { afterEach, describe, expect, test } from 'vitest';
import { finalizeSignal, parseTx, signalSighash } from '../../src/bitcoin/index.ts';
import { announceable, roundBlocker, usableOutpoint } from '../../src/cohort/index.ts';
import { fromHex } from '../../src/crypto/index.ts';
import type { Message } from '../../src/messages/index.ts';
import {
  answer,
  type Cohort,
  deliver,
  formed,
  fund,
  keySetOf,
  register,
  sentOf,
  sessionOpen,
  signalSent,
  silent,
  typesOf,
  until,
  update,
} from './driver.ts';
import { addService, drawHex, type Member, updateOf, walletMusig } from './members.ts';

const started: Cohort[] = [];
afterEach(() => {
  for (const cohort of started.splice(0)) cohort.expectRestartable();
});
const watched = <T extends { cohort: Cohort }>(made: T): T => {
  started.push(made.cohort);
  return made;
};

const blockerOf = (cohort: Cohort): string | null =>
  roundBlocker(cohort.state, cohort.beacon, {
    now: cohort.now,
    entropy: drawHex('e'),
    chain: cohort.chain.view(cohort.beacon.script_hex),
  });

/** The transaction as any member makes it who has all parts. */
function finished(cohort: Cohort, last: Member, held: Message | null): string {
  if (held?.type !== 'signal_authorization') throw new Error('expected an authorization');
  const { round, participant_pubkeys, script_hex } = cohort.beacon;
  const { steps, sigs, agg_nonce } = round!.open[0]!;
  const [step] = steps;
  const signing = walletMusig.session({
    keySet: keySetOf(cohort),
    aggNonce: fromHex(agg_nonce![0]!.join('')),
    message: signalSighash(step!.unsigned_hex, script_hex, round!.frozen!.outpoint.value_sats),
  });
  const partials = participant_pubkeys.map(key => (key === last.pk ? held : sigs.get(key)!).body.sig[0]!);
  return finalizeSignal(step!.unsigned_hex, signing.aggregate(partials.map(sig => fromHex(sig)))).hex;
}

const statuses = (cohort: Cohort): string[] =>
  sentOf({ effects: cohort.sent }, 'signal_status')
    .filter(sent => sent.to === cohort.members[0]!.transport)
    .map(({ body }) => body.status);

describe('an open session on chain', () => {
  /** The first attempt's transaction is complete in somebody's hands; its own aggregator never heard the last part. */
  async function completedElsewhere() {
    const made = watched(await sessionOpen());
    const { cohort } = made;
    const eve = cohort.members[2]!;
    deliver(cohort, silent(eve, 'aggregated_nonce'));
    const sent = cohort.sent.findLast(each => each.to === eve.transport && each.message.type === 'aggregated_nonce')!;
    const held = answer(cohort, eve, sent)!;
    cohort.wait(600);
    cohort.mail = [];
    expect(cohort.beacon.round?.stage.name).toBe('waiting');
    return { ...made, hex: finished(cohort, eve, held) };
  }

  // fault 35b
  test('of an attempt that was called aborted is the success it is', async () => {
    const { cohort, hex } = await completedElsewhere();
    const old = cohort.beacon.round!.open[0]!;
    cohort.wait(60);
    deliver(cohort, until('authorize_beacon_signal_request'));
    expect(cohort.beacon.round?.stage.name).toBe('nonces');
    expect(cohort.chain.submit(hex)).toBe(true);
    const outcome = cohort.advance();
    expect(typesOf(outcome)).toEqual(['signal_completed', 'signal_seen']);
    expect(outcome.effects.map(effect => effect.type)).not.toContain('broadcast');
    expect(cohort.beacon.signals).toMatchObject([{ session_id: old.id, txid: parseTx(hex).txid, hex }]);
    cohort.mine(6);
    expect(cohort.beacon.round).toBeNull();
    expect(cohort.beacon.alarms.size).toBe(0);
    expect(cohort.beacon.registry.values().next().value?.known?.version).toBe(2);
  });

  test('another attempt than the one that was broadcast: what is mined counts, and nothing is sent any more', async () => {
    const { cohort, hex } = await completedElsewhere();
    cohort.chain.feeRate = 5;
    cohort.wait(60);
    deliver(cohort);
    const second = cohort.beacon.signals[0]!;
    expect(second.txid).not.toBe(parseTx(hex).txid);
    cohort.chain.evict(second.txid);
    expect(cohort.chain.submit(hex)).toBe(true);
    const mined = cohort.mine(1);
    expect(mined.effects).toContainEqual({ type: 'settle_broadcast', txid: second.txid });
    expect(cohort.beacon.signals.map(signal => signal.txid)).toEqual([parseTx(hex).txid]);
    const final = cohort.mine(5);
    expect(final.effects).toContainEqual({ type: 'settle_broadcast', txid: parseTx(hex).txid });
    expect(cohort.beacon.round).toBeNull();
    expect(cohort.beacon.alarms.size).toBe(0);
  });

  test('spent by anything else, 6 deep: closed without a signal, and the updates come back byte for byte', async () => {
    const { cohort, ada, controller, signed } = watched(await sessionOpen());
    cohort.mail = [];
    const before = structuredClone(cohort.beacon.round!.frozen!);
    const cancel = cohort.chain.spend(before.outpoint);
    cohort.mine(5);
    expect(cohort.beacon.round).not.toBeNull();
    const outcome = cohort.mine(1);
    expect(typesOf(outcome)).toEqual(['round_closed']);
    expect(sentOf(outcome, 'round_aborted')).toHaveLength(3);
    expect(sentOf(outcome, 'round_aborted')[0]?.body).toMatchObject({
      reason: 'outpoint_spent',
      open: false,
      blame: [],
    });
    expect(cohort.beacon.signals).toEqual([]);
    expect(announceable(cohort.beacon).map(({ announcement, state }) => ({ announcement, state }))).toEqual([
      { announcement: before.updates[0]!.announcement, state: 'returned' },
    ]);
    const rival = await updateOf(controller, addService('rival'));
    const refused = cohort.tell(ada, update(cohort, ada, controller.did, rival));
    expect(sentOf(refused, 'rejection')[0]?.body.code).toBe('version_taken');
    const same = cohort.tell(ada, update(cohort, ada, controller.did, signed));
    expect(sentOf(same, 'ack')[0]?.body).toMatchObject({ state: 'frozen' });

    // An agreed cancel is no reason to stop: the next deposit carries the same update.
    expect([...cohort.beacon.alarms.entries()]).toMatchObject([[`foreign_spend:${cancel}`, { halts: false }]]);
    fund(cohort);
    deliver(cohort);
    expect(cohort.beacon.signals[0]?.frozen.updates).toEqual(before.updates);
    expect(cohort.beacon.signals[0]?.frozen.outpoint).not.toEqual(before.outpoint);
    cohort.mine(6);
    expect(cohort.beacon.round).toBeNull();
  });

  test('the same, when the daemon sees it only after it is deep', async () => {
    const { cohort } = watched(await sessionOpen());
    cohort.mail = [];
    cohort.chain.spend(cohort.beacon.round!.frozen!.outpoint);
    cohort.chainUp = false;
    cohort.mine(10);
    cohort.chainUp = true;
    expect(typesOf(cohort.advance())).toEqual(['alarm_raised', 'round_closed']);
    expect([...cohort.beacon.alarms.values()]).toMatchObject([{ code: 'foreign_spend', halts: false }]);
    expect(blockerOf(cohort)).not.toMatch(/halted/);
  });

  // fault 27
  test('a theft with other signal bytes halts the cohort', async () => {
    const { cohort } = watched(await sessionOpen());
    cohort.mail = [];
    cohort.chain.spend(cohort.beacon.round!.frozen!.outpoint, { signal: drawHex('other bytes') });
    cohort.mine(6);
    fund(cohort);
    cohort.wait(100_000);
    expect(cohort.beacon.round).toBeNull();
    expect(blockerOf(cohort)).toMatch(/^halted: .* spends from the beacon/);
  });

  test('a cancel that beats a broadcast signal takes it back', async () => {
    const { cohort } = watched(await signalSent());
    const { txid, frozen } = cohort.beacon.signals[0]!;
    cohort.chain.evict(txid);
    cohort.chain.spend(frozen.outpoint);
    const outcome = cohort.mine(6);
    expect(typesOf(outcome)).toContain('round_closed');
    expect(outcome.effects).toContainEqual({ type: 'settle_broadcast', txid });
    expect(cohort.beacon.signals).toEqual([]);
    expect(announceable(cohort.beacon).map(queued => queued.state)).toEqual(['returned']);
  });
});

// fault 31
describe('a reorganization', () => {
  test('takes a signal to 0: it is sent again, reported, and comes back', async () => {
    const { cohort } = watched(await signalSent());
    cohort.mine(3);
    const { txid, hex } = cohort.beacon.signals[0]!;
    cohort.chain.undo(3, 'gone');
    cohort.broadcasts = false;
    const outcome = cohort.advance();
    expect(typesOf(outcome)).toEqual(['signal_seen']);
    expect(outcome.effects).toContainEqual({ type: 'broadcast', txid, hex });
    expect(cohort.advance().events).toEqual([]);
    expect(cohort.beacon.round?.stage.name).toBe('announced');
    cohort.chain.submit(hex);
    expect(cohort.advance().events).toEqual([]);
    cohort.mine(6);
    expect(statuses(cohort)).toEqual(['broadcast', 'confirmed', 'reorged', 'confirmed', 'final']);
    expect(cohort.beacon.round).toBeNull();
  });

  test('that leaves it in the mempool is one too', async () => {
    const { cohort } = watched(await signalSent());
    cohort.mine(1);
    cohort.chain.undo(1, 'mempool');
    expect(typesOf(cohort.advance())).toEqual(['signal_seen']);
    cohort.mine(1);
    expect(statuses(cohort)).toEqual(['broadcast', 'confirmed', 'reorged', 'confirmed']);
  });

  test('into another block is news, and its depth counts from there', async () => {
    const { cohort } = watched(await signalSent());
    cohort.mine(5);
    const before = cohort.beacon.signals[0]!.seen;
    cohort.chain.undo(5, 'mempool');
    cohort.chain.mine(4);
    cohort.advance();
    const seen = cohort.beacon.signals[0]!.seen;
    expect(seen).toMatchObject({ status: 'confirmed', confirmations: 4 });
    expect(seen).not.toMatchObject({ block_hash: 'block_hash' in before ? before.block_hash : '' });
    cohort.mine(2);
    expect(statuses(cohort)).toEqual(['broadcast', 'confirmed', 'confirmed', 'final']);
  });

  test('of a final signal is seen within 144 blocks, and no new round opens until it is final again', async () => {
    const { cohort, ada } = watched(await signalSent());
    cohort.mine(10);
    const { hex } = cohort.beacon.signals[0]!;
    cohort.chain.undo(10, 'gone');
    cohort.broadcasts = false;
    const outcome = cohort.advance();
    expect(typesOf(outcome)).toEqual(['signal_seen']);
    expect(outcome.effects.map(effect => effect.type)).toContain('broadcast');
    const next = register(cohort, ada, 'next');
    cohort.tell(ada, update(cohort, ada, next.did, await updateOf(next, addService('next'))));
    expect(blockerOf(cohort)).toBe('the last signal is not final');
    cohort.chain.submit(hex);
    const back = cohort.mine(6);
    expect(statuses(cohort)).toEqual(['broadcast', 'confirmed', 'final', 'reorged', 'confirmed', 'final']);
    expect(typesOf(back)).toContain('round_opened');
    expect(typesOf(back)).not.toContain('round_closed');
  });

  test('deeper than 144 is not looked for', async () => {
    const { cohort } = watched(await signalSent());
    cohort.mine(6);
    cohort.chain.mine(139);
    expect(cohort.advance().events).toEqual([]);
    cohort.chain.undo(145, 'gone');
    cohort.chain.mine(145);
    expect(cohort.advance().events).toEqual([]);
    expect(statuses(cohort).at(-1)).toBe('final');
  });

  test('takes two signals in a row, and both are sent again, parent first', async () => {
    const { cohort, ada } = watched(await signalSent());
    cohort.mine(6);
    const next = register(cohort, ada, 'next');
    cohort.tell(ada, update(cohort, ada, next.did, await updateOf(next, addService('next'))));
    deliver(cohort);
    cohort.mine(6);
    cohort.chain.undo(12, 'gone');
    const outcome = cohort.advance();
    const sent = outcome.effects.flatMap(effect => (effect.type === 'broadcast' ? [effect.txid] : []));
    expect(sent).toEqual(cohort.beacon.signals.map(signal => signal.txid));
    cohort.mine(6);
    expect(cohort.beacon.signals.map(signal => signal.seen.status)).toEqual(['final', 'final']);
  });
});

describe('strangers', () => {
  // fault 35a
  test('a deposit that looks like a signal is an alarm, and is never spent', async () => {
    const cohort = formed();
    started.push(cohort);
    const [ada] = cohort.members as [Member];
    const stray = cohort.chain.deposit(cohort.beacon.script_hex, 9_000_000, { signal: drawHex('looks like one') });
    expect(typesOf(cohort.mine(6))).toEqual(['alarm_raised']);
    expect([...cohort.beacon.alarms.entries()]).toMatchObject([
      [`stray_signal_deposit:${stray}`, { code: 'stray_signal_deposit', halts: false }],
    ]);
    expect(usableOutpoint(cohort.state, cohort.beacon, cohort.chain.view(cohort.beacon.script_hex))).toEqual({
      why: 'nothing was paid to the beacon address',
    });
    const controller = register(cohort, ada, 'one');
    cohort.tell(ada, update(cohort, ada, controller.did, await updateOf(controller, addService('x'))));
    expect(cohort.beacon.round).toBeNull();
    const good = fund(cohort);
    deliver(cohort);
    expect(cohort.beacon.signals[0]?.frozen.outpoint.txid).toBe(good);
  });

  test('a plain deposit is no alarm', () => {
    const cohort = formed();
    fund(cohort);
    expect(cohort.beacon.alarms.size).toBe(0);
  });

  // fault 27
  test('a spend that no session explains halts new rounds', async () => {
    const { cohort } = watched(await signalSent());
    cohort.mine(6);
    const [change] = cohort.chain.view(cohort.beacon.script_hex).utxos;
    cohort.chain.spend(change!);
    expect(typesOf(cohort.advance())).toEqual(['alarm_raised']);
    expect(cohort.advance().events).toEqual([]);
    const controller = register(cohort, cohort.members[0]!, 'two');
    cohort.tell(
      cohort.members[0]!,
      update(cohort, cohort.members[0]!, controller.did, await updateOf(controller, addService('x'))),
    );
    fund(cohort);
    expect(cohort.beacon.round).toBeNull();
    expect(blockerOf(cohort)).toMatch(/^halted/);
  });
});

describe('a chain that cannot be seen', () => {
  // fault 35
  test('changes nothing for as long as it takes', async () => {
    const { cohort } = watched(await signalSent());
    cohort.chainUp = false;
    expect(cohort.mine(20).events).toEqual([]);
    cohort.chainUp = true;
    expect(typesOf(cohort.advance())).toEqual(['signal_seen', 'round_closed']);
    expect(cohort.beacon.signals[0]?.seen).toMatchObject({ status: 'final', confirmations: 20 });
  });

  test('or lags behind opens no round on money that is spent already', async () => {
    const { cohort, ada } = watched(await signalSent());
    cohort.mine(6);
    const next = register(cohort, ada, 'next');
    cohort.chainUp = false;
    cohort.tell(ada, update(cohort, ada, next.did, await updateOf(next, addService('next'))));
    cohort.chain.undo(6, 'gone');
    const { utxos } = cohort.chain.view(cohort.beacon.script_hex);
    expect(utxos.map(utxo => utxo.txid)).toEqual([cohort.beacon.signals[0]!.frozen.outpoint.txid]);
    cohort.chainUp = true;
    cohort.broadcasts = false;
    cohort.advance();
    expect(cohort.beacon.signals[0]?.seen.status).toBe('reorged');
    expect(cohort.beacon.round).toBeNull();
  });
});
