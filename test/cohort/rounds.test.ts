import { afterEach, describe, expect, test } from 'vitest';
import { parseTx, readSignalPsbt, verifySignal } from '../../src/bitcoin/index.ts';
import { roundBlocker } from '../../src/cohort/index.ts';
import type { Message, Terms } from '../../src/messages/index.ts';
import {
  type Cohort,
  deliver,
  formed,
  fund,
  refusal,
  register,
  roundOpen,
  sentOf,
  sessionOpen,
  signalSent,
  silent,
  startCohort,
  typesOf,
  until,
  update,
} from './driver.ts';
import { addService, drawHex, type Member, updateOf } from './members.ts';

const started: Cohort[] = [];
afterEach(() => {
  for (const cohort of started.splice(0)) cohort.expectRestartable();
});

const HOUR = 3600;
const SLOW = { interval: 24 * HOUR, min_interval: 2 * HOUR, pending_updates: 2 };

/** Formed and funded, with `count` DIDs of ada's and their updates ready to send. */
async function ready(changes: Partial<Terms> = {}, count = 2) {
  const cohort = formed(changes);
  started.push(cohort);
  const [ada] = cohort.members as [Member];
  const controllers = Array.from({ length: count }, (_, i) => register(cohort, ada, `did ${i}`));
  const send = async (i: number) =>
    cohort.tell(ada, update(cohort, ada, controllers[i]!.did, await updateOf(controllers[i]!, addService('first'))));
  return { cohort, ada, send };
}

const blockerOf = (cohort: Cohort): string | null =>
  roundBlocker(cohort.state, cohort.beacon, {
    now: cohort.now,
    entropy: drawHex('e'),
    chain: cohort.chainUp ? cohort.chain.view(cohort.beacon.script_hex) : null,
  });

describe('the trigger', () => {
  test('by count', async () => {
    const { cohort, send } = await ready({ frequency: SLOW });
    fund(cohort);
    expect(blockerOf(cohort)).toBe('no update is waiting');
    await send(0);
    expect(blockerOf(cohort)).toBe('1 of 2 updates are waiting');
    expect(typesOf(await send(1))).toEqual(['update_queued', 'round_opened']);
  });

  test('by interval, with one update at least', async () => {
    const { cohort, send } = await ready({ frequency: SLOW });
    fund(cohort);
    cohort.wait(48 * HOUR);
    expect(blockerOf(cohort)).toBe('no update is waiting');
    expect(cohort.beacon.round).toBeNull();
    expect(typesOf(await send(0))).toEqual(['update_queued', 'round_opened']);
  });

  test('by interval, when it comes', async () => {
    const { cohort, send } = await ready({ frequency: SLOW });
    fund(cohort);
    const due = cohort.beacon.formed_at + SLOW.interval;
    await send(0);
    expect(cohort.wait(due - 1 - cohort.now).events).toEqual([]);
    expect(typesOf(cohort.wait(1))).toEqual(['round_opened']);
  });

  test('by the operator, once', async () => {
    const { cohort, send } = await ready({ frequency: SLOW });
    fund(cohort);
    expect(typesOf(cohort.give({ type: 'open_round' }))).toEqual(['round_requested']);
    expect(typesOf(await send(0))).toContain('round_opened');
    expect(cohort.beacon.round_requested).toBe(false);
    expect(startCohort().give({ type: 'open_round' }).dropped).toBe('no cohort is formed');
  });

  test('never sooner than the least interval after the last signal', async () => {
    const { cohort, send } = await ready({ frequency: SLOW }, 4);
    fund(cohort);
    await send(0);
    await send(1);
    deliver(cohort);
    cohort.mine(6);
    expect(cohort.beacon.signals[0]?.seen.status).toBe('final');
    await send(2);
    await send(3);
    cohort.give({ type: 'open_round' });
    expect(blockerOf(cohort)).toBe('signals are at least 7200 s apart');
    const due = cohort.beacon.last_signal_at + SLOW.min_interval;
    expect(cohort.wait(due - 1 - cohort.now).events).toEqual([]);
    expect(typesOf(cohort.wait(1))).toEqual(['round_opened']);
  });
});

describe('what keeps a round from opening, in words', () => {
  test('no chain', async () => {
    const { cohort, send } = await ready({}, 1);
    fund(cohort);
    cohort.chainUp = false;
    await send(0);
    expect(blockerOf(cohort)).toBe('the chain has not been read yet');
    expect(cohort.beacon.round).toBeNull();
    cohort.chainUp = true;
    expect(typesOf(cohort.advance())).toEqual(['round_opened']);
  });

  // fault 25
  test('no deposit, one too small, one not deep enough', async () => {
    const { cohort, send } = await ready({}, 1);
    await send(0);
    expect(blockerOf(cohort)).toBe('no usable deposit: nothing was paid to the beacon address');
    const small = cohort.chain.deposit(cohort.beacon.script_hex, 2000 + 329);
    cohort.mine(6);
    expect(blockerOf(cohort)).toBe(`no usable deposit: ${small}:0: too_small`);
    const good = cohort.chain.deposit(cohort.beacon.script_hex, 2000 + 330);
    expect(blockerOf(cohort)).toContain(`${good}:0: unconfirmed`);
    cohort.mine(5);
    expect(blockerOf(cohort)).toContain(`${good}:0: too_shallow`);
    expect(cohort.beacon.round).toBeNull();
    expect(typesOf(cohort.mine(1))).toEqual(['round_opened']);
  });

  // fault 24
  test('a coinbase matures at 101', async () => {
    const { cohort, send } = await ready({}, 1);
    await send(0);
    const coinbase = cohort.chain.deposit(cohort.beacon.script_hex, 100_000, { coinbase: true });
    cohort.mine(100);
    expect(blockerOf(cohort)).toBe(`no usable deposit: ${coinbase}:0: coinbase_immature`);
    expect(typesOf(cohort.mine(1))).toEqual(['round_opened']);
  });

  test('a signal that is not final yet', async () => {
    const { cohort, send } = await ready({ frequency: { ...SLOW, min_interval: 0, pending_updates: 1 } });
    fund(cohort);
    await send(0);
    deliver(cohort);
    await send(1);
    cohort.mine(5);
    expect(blockerOf(cohort)).toBe('the last signal is not final');
  });

  test('the time after a failure', async () => {
    const { cohort, ada } = await roundOpen();
    deliver(cohort, silent(ada, 'presence'));
    cohort.wait(60);
    expect(blockerOf(cohort)).toBe(
      `waiting until ${new Date(cohort.beacon.not_before * 1_000).toISOString().slice(0, 19)}Z`,
    );
  });
});

describe('presence', () => {
  test('is asked of every member, and answers may come twice', async () => {
    const { cohort, ada } = await roundOpen();
    started.push(cohort);
    const asked = sentOf({ effects: cohort.sent }, 'presence');
    expect(asked.map(sent => sent.to).sort()).toEqual(cohort.members.map(member => member.transport).sort());
    expect(asked[0]?.body).toEqual({ beacon_address: cohort.beacon.address, round: 1, attempt: 1 });
    const { body } = asked[0]!;
    expect(typesOf(cohort.tell(ada, { type: 'presence_ack', body }))).toEqual(['presence_heard']);
    expect(cohort.tell(ada, { type: 'presence_ack', body }).events).toEqual([]);
    expect(cohort.tell(ada, { type: 'presence_ack', body: { ...body, round: 2 } }).events).toEqual([]);
    expect(cohort.tell(ada, { type: 'presence_ack', body: { ...body, attempt: 2 } }).events).toEqual([]);
  });

  test('freezes nothing until all are there', async () => {
    const { cohort, ada } = await roundOpen();
    deliver(cohort, silent(ada, 'presence'));
    expect(cohort.beacon.round?.frozen).toBeNull();
    const reminder = cohort.wait(30);
    expect(typesOf(reminder)).toEqual(['reminded']);
    expect(sentOf(reminder, 'presence').map(sent => sent.to)).toEqual([ada.transport]);
    deliver(cohort, until('authorize_beacon_signal_request'));
    expect(cohort.beacon.round?.stage.name).toBe('nonces');
  });

  test('takes in what arrives before the freeze', async () => {
    const { cohort, ada } = await roundOpen();
    const late = register(cohort, ada, 'late');
    cohort.tell(ada, update(cohort, ada, late.did, await updateOf(late, addService('late'))));
    deliver(cohort, until('authorize_beacon_signal_request'));
    expect(cohort.beacon.round?.frozen?.updates.map(({ did }) => did)).toContain(late.did);
    expect(cohort.beacon.round?.frozen?.leaf_count).toBe(2);
  });

  test('waits for the chain with the freeze, and goes on when it is back', async () => {
    const { cohort } = await roundOpen();
    cohort.chainUp = false;
    deliver(cohort);
    expect(cohort.wait(10_000).events).toEqual([]);
    cohort.chainUp = true;
    expect(typesOf(cohort.advance())).toEqual(['session_requested']);
  });

  // fault 26
  test('ends the round where the deposit is gone by then', async () => {
    const { cohort, ada, signed, controller } = await roundOpen();
    cohort.chain.spend(cohort.chain.view(cohort.beacon.script_hex).utxos[0]!);
    deliver(cohort);
    expect(cohort.beacon.round).toBeNull();
    const [aborted] = sentOf({ effects: cohort.sent }, 'round_aborted');
    expect(aborted?.body).toMatchObject({ reason: 'outpoint_gone', open: false, session_id: null, blame: [] });
    expect(sentOf(cohort.tell(ada, update(cohort, ada, controller.did, signed)), 'ack')[0]?.body).toMatchObject({
      state: 'queued',
    });
  });
});

describe('the session', () => {
  // fault 24
  test('pins one outpoint: the oldest deposit, whatever strangers pay in later', async () => {
    const { cohort } = await roundOpen();
    const [oldest] = cohort.chain.view(cohort.beacon.script_hex).utxos;
    cohort.chain.deposit(cohort.beacon.script_hex, 5_000_000);
    cohort.mine(6);
    deliver(cohort, until('authorize_beacon_signal_request'));
    expect(cohort.beacon.round?.frozen?.outpoint).toEqual({ txid: oldest!.txid, vout: 0, value_sats: 100_000 });
    const psbt = readSignalPsbt(
      sentOf({ effects: cohort.mail }, 'authorize_beacon_signal_request')[0]!.body.pending_beacon_signal[0]!,
    );
    expect(psbt.prevout).toEqual({ txid: oldest!.txid, vout: 0, value_sats: 100_000 });
    expect(psbt).toMatchObject({
      version: 2,
      locktime: 0,
      sequence: 0xfffffffd,
      prevoutScriptHex: cohort.beacon.script_hex,
    });
  });

  test.each([
    [2, 308],
    [null, 154],
    [0.01, 154],
    [10_000, 2000],
    [Number.NaN, 154],
  ])('pays what the node estimates, within bounds: %s sat/vB is %s sat', async (rate, fee) => {
    const { cohort } = await roundOpen();
    cohort.chain.feeRate = rate;
    deliver(cohort, until('authorize_beacon_signal_request'));
    const [request] = sentOf({ effects: cohort.mail }, 'authorize_beacon_signal_request');
    expect(readSignalPsbt(request!.body.pending_beacon_signal[0]!).feeSats).toBe(fee);
  });

  test.each([
    [2, null],
    [null, null],
    [0.01, null],
    [10_000, 'the estimate of 10000 sat/vB is cut to the cap of 2000 sat: the signal may wait'],
    [-1, 'the fee source gave no usable estimate: 1 sat/vB instead'],
    [0, 'the fee source gave no usable estimate: 1 sat/vB instead'],
  ])('fault 29: an estimate of %s sat/vB is told to the operator where it was no use: %s', async (rate, text) => {
    const { cohort, ada } = await roundOpen();
    cohort.chain.feeRate = rate;
    deliver(cohort);
    const alarms = () => [...cohort.beacon.alarms.values()].map(({ code, text, halts }) => ({ code, text, halts }));
    expect(alarms()).toEqual(text === null ? [] : [{ code: 'fee_clamped', text, halts: false }]);
    cohort.mine(6);
    // It stands in nobody's way, and the next sound estimate ends it.
    cohort.chain.feeRate = 2;
    const next = register(cohort, ada, 'next');
    cohort.tell(ada, update(cohort, ada, next.did, await updateOf(next, addService('next'))));
    deliver(cohort);
    expect(cohort.beacon.signals).toHaveLength(2);
    expect(alarms()).toEqual([]);
  });

  test('sends the aggregated nonce only when every nonce is in', async () => {
    const { cohort, ada } = await roundOpen();
    deliver(cohort, silent(ada, 'authorize_beacon_signal_request'));
    expect(sentOf({ effects: cohort.sent }, 'aggregated_nonce')).toEqual([]);
    expect(cohort.beacon.round?.open).toEqual([]);
    const reminder = cohort.wait(300);
    expect(typesOf(reminder)).toEqual(['reminded']);
    expect(sentOf(reminder, 'authorize_beacon_signal_request').map(sent => sent.to)).toEqual([ada.transport]);
    deliver(cohort, until('aggregated_nonce'));
    expect(sentOf({ effects: cohort.mail }, 'aggregated_nonce')).toHaveLength(3);
    expect(cohort.beacon.round?.open).toHaveLength(1);
  });

  test('a nonce that was sent before gets the aggregated nonce again', async () => {
    const { cohort, ada } = await sessionOpen();
    const { envelope } = cohort.log.find(
      event => event.type === 'nonce_received' && event.participant_pk === ada.pk,
    ) as {
      envelope: { body: object };
    } & (typeof cohort.log)[number];
    const again = cohort.tell(ada, { type: 'nonce', body: structuredClone(envelope.body) as never });
    expect(again.events).toEqual([]);
    expect(sentOf(again, 'aggregated_nonce').map(sent => sent.to)).toEqual([ada.transport]);
    expect(sentOf(again, 'rejection')).toEqual([]);
  });

  test('partial signatures are taken one by one; the last one makes a valid transaction, which is broadcast', async () => {
    const { cohort } = await sessionOpen();
    started.push(cohort);
    const [ada, bob, eve] = cohort.members as [Member, Member, Member];
    const only = (who: Member) => (member: Member) => (member === who ? ('answer' as const) : ('hold' as const));
    deliver(cohort, only(ada));
    expect([...cohort.beacon.round!.open[0]!.sigs.keys()]).toEqual([ada.pk]);
    deliver(cohort, only(bob));
    expect(cohort.beacon.signals).toEqual([]);
    deliver(cohort, only(eve));
    const [signal] = cohort.beacon.signals;
    const { outpoint, signal_bytes } = signal!.frozen;
    expect(verifySignal(signal!.hex, cohort.beacon.script_hex, outpoint.value_sats)).toBe(true);
    const tx = parseTx(signal!.hex);
    expect(tx.outputs.at(-1)).toEqual({ script_hex: `6a20${signal_bytes}`, value_sats: 0 });
    expect(tx.outputs[0]).toEqual({ script_hex: cohort.beacon.script_hex, value_sats: 100_000 - 308 });
    expect(tx.inputs).toHaveLength(1);
    expect(cohort.chain.has(signal!.txid)).toBe(true);
  });

  // fault 55
  test('a reminder repeats the aggregated nonce to who has not signed', async () => {
    const { cohort } = await sessionOpen();
    const eve = cohort.members[2]!;
    deliver(cohort, silent(eve, 'aggregated_nonce'));
    const reminder = cohort.wait(300);
    expect(typesOf(reminder)).toEqual(['reminded']);
    expect(sentOf(reminder, 'aggregated_nonce').map(sent => sent.to)).toEqual([eve.transport]);
    deliver(cohort);
    expect(cohort.beacon.round?.stage.name).toBe('announced');
  });

  test('twenty members are no other than three', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `member ${i}`);
    const { cohort } = await signalSent({}, names);
    expect(verifySignal(cohort.beacon.signals[0]!.hex, cohort.beacon.script_hex, 100_000)).toBe(true);
  });
});

describe('the signal', () => {
  test('is reported at broadcast, 1 and 6, and then the round is over', async () => {
    const { cohort } = await signalSent();
    started.push(cohort);
    cohort.mine(5);
    expect(cohort.beacon.round?.stage.name).toBe('announced');
    cohort.mine(1);
    expect(cohort.beacon.round).toBeNull();
    cohort.mine(3);
    const reports = sentOf({ effects: cohort.sent }, 'signal_status').filter(
      sent => sent.to === cohort.members[0]!.transport,
    );
    const [signal] = cohort.beacon.signals;
    expect(reports.map(({ body }) => [body.status, body.confirmations])).toEqual([
      ['broadcast', 0],
      ['confirmed', 1],
      ['final', 6],
    ]);
    for (const { body, session } of reports) {
      expect(body).toMatchObject({ txid: signal?.txid, transactions: [signal?.hex], session_id: signal?.session_id });
      expect(session).toBe(signal?.session_id);
    }
    expect(reports[0]?.body).toMatchObject({ block_hash: null, height: null });
    expect(reports[2]?.body.height).toBe(reports[1]?.body.height);
  });

  test('settles its broadcast when it is final', async () => {
    const { cohort } = await signalSent();
    const early = cohort.mine(5);
    expect(early.effects.map(effect => effect.type)).not.toContain('settle_broadcast');
    const final = cohort.mine(1);
    const { txid } = cohort.beacon.signals[0]!;
    expect(final.effects).toContainEqual({ type: 'settle_broadcast', txid });
    expect(typesOf(final)).toEqual(['signal_seen', 'round_closed']);
  });

  test("the next one spends its change, before any stranger's older deposit", async () => {
    const { cohort, ada } = await roundOpen();
    started.push(cohort);
    cohort.chain.deposit(cohort.beacon.script_hex, 5_000_000);
    deliver(cohort);
    cohort.mine(6);
    const [first] = cohort.beacon.signals;
    const next = register(cohort, ada, 'next');
    cohort.tell(ada, update(cohort, ada, next.did, await updateOf(next, addService('next'))));
    deliver(cohort);
    expect(cohort.beacon.signals[1]?.frozen.outpoint).toEqual({
      txid: first?.txid,
      vout: 0,
      value_sats: 100_000 - 308,
    });
    cohort.mine(6);
    expect(cohort.beacon.signals.map(signal => signal.seen.status)).toEqual(['final', 'final']);
    expect(cohort.beacon.alarms.size).toBe(0);
  });

  test('answers late repeats without a word', async () => {
    const { cohort, ada } = await signalSent();
    const log = cohort.log.find(
      event => event.type === 'authorization_received' && event.participant_pk === ada.pk,
    ) as Extract<(typeof cohort.log)[number], { type: 'authorization_received' }>;
    const again = { type: 'signal_authorization', body: log.envelope.body } as const;
    expect(cohort.tell(ada, again)).toEqual({ events: [], effects: [], dropped: null });
    cohort.mine(6);
    expect(cohort.tell(ada, again)).toEqual({ events: [], effects: [], dropped: null });
  });

  test('that the node refuses raises an alarm, once a reason', async () => {
    const { cohort } = await signalSent();
    const { txid } = cohort.beacon.signals[0]!;
    const refused = { type: 'broadcast_refused', txid, reason: 'min relay fee not met', cheap: true } as const;
    expect(typesOf(cohort.give(refused))).toEqual(['alarm_raised']);
    expect(cohort.give(refused).events).toEqual([]);
    expect([...cohort.beacon.alarms.values()]).toMatchObject([{ code: 'signal_refused', halts: false }]);
  });
});

// fault 6
describe('the wrong moment or session is refused politely', () => {
  const other = drawHex('another session');

  const others = (cohort: Cohort, key: string): Message[] => {
    const session = { session_id: other, beacon_address: cohort.beacon.address };
    return [
      { type: 'nonce', body: { ...session, nonce_points: [[key, key]] } },
      { type: 'veto', body: { session_id: other, code: 'x', text: '' } },
      { type: 'nonce_lost', body: { session_id: other } },
      { type: 'signal_authorization', body: { ...session, agg_nonce: [[key, key]], sig: ['ab'.repeat(32)] } },
    ];
  };

  test('without a round', () => {
    const cohort = formed();
    const [ada] = cohort.members as [Member];
    for (const message of others(cohort, ada.pk))
      expect(refusal(cohort.tell(ada, message))).toMatchObject({ code: 'wrong_session', field: 'body.session_id' });
  });

  test('with a round, but another one', async () => {
    const { cohort, ada } = await sessionOpen();
    for (const message of others(cohort, ada.pk))
      expect(refusal(cohort.tell(ada, message))).toMatchObject({ code: 'wrong_session', field: 'body.session_id' });
    expect(cohort.beacon.round?.stage.name).toBe('signatures');
  });

  // fault 38
  test('signatures while nonces are asked for, or under another aggregated nonce, or for another beacon', async () => {
    const { cohort, ada } = await roundOpen();
    deliver(cohort, until('authorize_beacon_signal_request'));
    const { stage } = cohort.beacon.round!;
    const session_id = 'session' in stage ? stage.session.id : '';
    const pair: [string, string] = [ada.pk, ada.pk];
    const body = { session_id, beacon_address: cohort.beacon.address, agg_nonce: [pair], sig: ['ab'.repeat(32)] };
    expect(refusal(cohort.tell(ada, { type: 'signal_authorization', body }))).toMatchObject({ code: 'wrong_session' });
    const elsewhere = { session_id, beacon_address: 'bcrt1pqqqqqqqqqqqqqq', nonce_points: [pair] };
    expect(refusal(cohort.tell(ada, { type: 'nonce', body: elsewhere }))).toMatchObject({ code: 'wrong_address' });
    deliver(cohort, until('aggregated_nonce'));
    expect(refusal(cohort.tell(ada, { type: 'signal_authorization', body }))).toMatchObject({
      code: 'wrong_session',
      field: 'body.agg_nonce',
    });
    const strange = { ...body, beacon_address: 'bcrt1pqqqqqqqqqqqqqq' };
    expect(refusal(cohort.tell(ada, { type: 'signal_authorization', body: strange }))).toMatchObject({
      code: 'wrong_address',
    });
  });
});
