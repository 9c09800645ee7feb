import { describe, expect, test } from 'vitest';
import { addressToScript, parseTx, scriptToAddress, verifySignal } from '../../src/bitcoin/index.ts';
import { judgeTranscript } from '../../src/blame/index.ts';
import { announceable } from '../../src/cohort/updates.ts';
import type { Message, Terms } from '../../src/messages/index.ts';
import {
  answer,
  type Cohort,
  deliver,
  formed,
  fund,
  refusal,
  register,
  sentOf,
  sessionOpen,
  signalSent,
  silent,
  typesOf,
  update,
} from './driver.ts';
import { addService, drawHex, updateOf } from './members.ts';

const ELSEWHERE = scriptToAddress(`5120${drawHex('another key')}`, 'regtest')!;

const cancel = (cohort: Cohort) => cohort.give({ type: 'start_spend', purpose: 'cancel' });
const request = (cohort: Cohort) =>
  cohort.sent.findLast(sent => sent.message.type === 'authorize_spend_request')!.message as Extract<
    Cohort['sent'][number]['message'],
    { type: 'authorize_spend_request' }
  >;

/** An open session that one member does not finish. */
async function stalled() {
  const made = await sessionOpen();
  const { cohort } = made;
  const eve = cohort.members[2]!;
  deliver(cohort, silent(eve, 'aggregated_nonce'));
  cohort.wait(600);
  cohort.mail = [];
  expect(cohort.beacon.round?.stage.name).toBe('waiting');
  return { ...made, eve };
}

describe('a cancel', () => {
  test('spends the open session’s output back to the beacon, without a word; six deep the updates come back', async () => {
    const { cohort, controller } = await stalled();
    const { outpoint } = cohort.beacon.round!.frozen!;
    expect(typesOf(cancel(cohort))).toEqual(['spend_requested']);
    deliver(cohort);
    const [spend] = cohort.beacon.spends;
    const { txid, hex } = spend!.transaction!;
    const { inputs, outputs } = parseTx(hex);
    expect(inputs).toMatchObject([{ txid: outpoint.txid, vout: outpoint.vout }]);
    expect(outputs).toEqual([
      { script_hex: cohort.beacon.script_hex, value_sats: outpoint.value_sats - spend!.session.steps[0]!.fee_sats },
    ]);
    expect(verifySignal(hex, cohort.beacon.script_hex, outpoint.value_sats)).toBe(true);
    expect(cohort.chain.has(txid)).toBe(true);
    expect(sentOf({ effects: cohort.sent }, 'spend_status')).toHaveLength(3);
    expect(cohort.beacon.spend).toBeNull();

    cohort.mine(5);
    expect(cohort.beacon.round).not.toBeNull();
    const closed = cohort.mine(1);
    expect(typesOf(closed)).toContain('round_closed');
    expect(typesOf(closed)).toContain('spend_final');
    expect(closed.effects).toContainEqual({ type: 'settle_broadcast', txid });
    expect(cohort.beacon.alarms.size).toBe(0);
    expect(cohort.beacon.signals).toEqual([]);
    // Its output is the next round's deposit, and the update goes out byte for byte.
    deliver(cohort);
    expect(cohort.beacon.signals[0]?.frozen).toMatchObject({
      outpoint: { txid },
      updates: [{ did: controller.did }],
    });
    cohort.mine(6);
    expect(cohort.beacon.round).toBeNull();
    cohort.expectRestartable();
  });

  test('ends an attempt that is under way, at whatever stage', async () => {
    for (const stays of ['presence', 'authorize_beacon_signal_request', 'aggregated_nonce'] as const) {
      const { cohort, eve } = await stalled();
      cohort.wait(60);
      deliver(cohort, silent(eve, stays));
      expect(['presence', 'nonces', 'signatures']).toContain(cohort.beacon.round!.stage.name);
      const begun = cancel(cohort);
      expect(typesOf(begun)).toEqual(['attempt_ended', 'spend_requested']);
      expect(sentOf(begun, 'round_aborted')[0]?.body).toMatchObject({ reason: 'cancelled', open: true, blame: [] });
      cohort.wait(30);
      expect(cohort.beacon.round!.stage.name).toBe('waiting');
      deliver(cohort);
      cohort.mine(6);
      expect(cohort.beacon.round?.number).not.toBe(1);
      expect(cohort.beacon.alarms.size).toBe(0);
    }
  });

  test('is refused where nothing was signed, where the signal is complete, and while one is under way', async () => {
    const refused = (cohort: Cohort) => cancel(cohort).dropped;
    expect(refused(formed())).toMatch(/no session is open/);
    const sent = await signalSent();
    expect(refused(sent.cohort)).toMatch(/the signal is complete/);
    const { cohort } = await stalled();
    cancel(cohort);
    expect(refused(cohort)).toMatch(/being signed already/);
    deliver(cohort);
    expect(refused(cohort)).toMatch(/that very transaction already/);
  });

  test('that two ceremonies finish is one transaction, byte for byte', async () => {
    const { cohort, eve } = await stalled();
    const withheld: Cohort['sent'][number][] = [];
    for (const ceremony of [1, 2]) {
      cancel(cohort);
      deliver(cohort, silent(eve, 'aggregated_nonce'));
      withheld.push(
        cohort.sent.findLast(sent => sent.to === eve.transport && sent.message.type === 'aggregated_nonce')!,
      );
      cohort.mail = [];
      if (ceremony === 1) cohort.wait(600);
    }
    const sent: string[] = [];
    for (const late of withheld) {
      cohort.mail = [late];
      deliver(cohort);
      sent.push(cohort.beacon.spends.findLast(({ transaction }) => transaction)!.transaction!.hex);
    }
    expect(cohort.beacon.spends.map(({ transaction }) => transaction?.hex)).toEqual([sent[0], sent[0]]);
    expect(cohort.beacon.spend).toBeNull();
  });

  test('that a member does not answer is over at its deadline, reported and blamed on nobody; the round goes on', async () => {
    const { cohort, eve } = await stalled();
    cancel(cohort);
    deliver(cohort, silent(eve, 'authorize_spend_request'));
    const reminded = cohort.wait(300);
    expect(sentOf(reminded, 'authorize_spend_request').map(sent => sent.to)).toEqual([eve.transport]);
    cohort.mail = [];
    const over = cohort.wait(300);
    expect(typesOf(over)).toContain('spend_ended');
    expect(sentOf(over, 'round_aborted')[0]?.body).toMatchObject({
      reason: 'not_heard',
      blame: [],
      not_heard: [eve.pk],
      open: false,
    });
    deliver(cohort);
    expect(cohort.beacon.signals).toHaveLength(1);
  });

  test('that was signed by all but one is completed by its late part, as is the signal: only one of them is mined', async () => {
    const { cohort, eve } = await stalled();
    cancel(cohort);
    deliver(cohort, silent(eve, 'aggregated_nonce'));
    const late = cohort.sent.findLast(sent => sent.to === eve.transport && sent.message.type === 'aggregated_nonce')!;
    cohort.mail = [];
    cohort.wait(600);
    expect(cohort.beacon.spend).toBeNull();
    cohort.mail = [late];
    deliver(cohort);
    const { txid } = cohort.beacon.spends[0]!.transaction!;
    expect(cohort.chain.has(txid)).toBe(true);
    cohort.mine(6);
    expect(cohort.beacon.signals).toEqual([]);
    expect(announceable(cohort.beacon)).toHaveLength(1);
    expect(cohort.beacon.alarms.size).toBe(0);
  });

  test('loses against the signal, if that is what is mined', async () => {
    const { cohort, eve } = await stalled();
    const session_id = cohort.beacon.round!.open[0]!.id;
    const held = cohort.sent.find(
      ({ to, message }) =>
        to === eve.transport && message.type === 'aggregated_nonce' && message.body.session_id === session_id,
    )!;
    cancel(cohort);
    deliver(cohort, silent(eve, 'aggregated_nonce'));
    cohort.mail = [held];
    deliver(cohort);
    expect(cohort.beacon.signals).toHaveLength(1);
    cohort.wait(600);
    cohort.mail = [];
    cohort.mine(6);
    expect(cohort.beacon.signals[0]?.seen.status).toBe('final');
    expect(cohort.beacon.round).toBeNull();
    expect(cohort.beacon.alarms.size).toBe(0);
  });

  test('a partial signature that does not verify is blamed, with a transcript', async () => {
    const { cohort, eve } = await stalled();
    cancel(cohort);
    deliver(cohort, silent(eve, 'aggregated_nonce'));
    const { session_id, beacon_address } = request(cohort).body;
    const agg_nonce = cohort.beacon.spends[0]!.session.agg_nonce!;
    const body = { session_id, beacon_address, agg_nonce, sig: ['11'.repeat(32)] };
    const outcome = cohort.tell(eve, { type: 'signal_authorization', body });
    expect(sentOf(outcome, 'rejection')[0]?.body.code).toBe('invalid_signature');
    expect(typesOf(outcome)).toContain('spend_ended');
    expect(sentOf(outcome, 'round_aborted')[0]?.body).toMatchObject({ reason: 'invalid_signature', blame: [eve.pk] });
    expect(outcome.effects.map(effect => effect.type)).toContain('keep_evidence');
  });
});

describe('a move', () => {
  const to = ELSEWHERE;
  const move = (cohort: Cohort, address = to) => cohort.give({ type: 'start_spend', purpose: 'move', to: address });

  test('takes one confirmed output after the other to where the members agreed', () => {
    const cohort = formed();
    expect(move(cohort).dropped).toMatch(/no confirmed output/);
    fund(cohort, 60_000);
    fund(cohort, 50_000);
    for (const value of [60_000, 50_000]) {
      expect(typesOf(move(cohort))).toEqual(['spend_requested']);
      deliver(cohort);
      const { hex } = cohort.beacon.spends.at(-1)!.transaction!;
      const [output, ...rest] = parseTx(hex).outputs;
      expect(rest).toEqual([]);
      expect(output).toMatchObject({ script_hex: addressToScript(to, 'regtest') });
      expect(value - output!.value_sats).toBeLessThanOrEqual(2_000);
      cohort.mine(6);
    }
    expect(move(cohort).dropped).toMatch(/no confirmed output/);
    expect(cohort.beacon.alarms.size).toBe(0);
    expect(cohort.beacon.spends.every(spend => spend.isFinal)).toBe(true);
  });

  test('is refused during a round, without an address, and to what is none', async () => {
    const { cohort } = await stalled();
    expect(move(cohort).dropped).toMatch(/a round is under way/);
    const idle = formed();
    fund(idle);
    expect(idle.give({ type: 'start_spend', purpose: 'move' }).dropped).toMatch(/which address/);
    expect(move(idle, 'bc1qnothere').dropped).toMatch(/address/);
  });
});

describe('a refund', () => {
  const REFUND: Partial<Terms> = {
    refund: { address: ELSEWHERE, delay_blocks: 1_008 },
  };
  const deposit = { txid: drawHex('a deposit that is not broadcast yet'), vout: 1, value_sats: 80_000 };

  test('is signed before its deposit exists, can be spent after the delay only, and is handed out, not published', () => {
    const cohort = formed(REFUND);
    const begun = cohort.give({ type: 'start_spend', purpose: 'refund', outpoint: deposit });
    expect(typesOf(begun)).toEqual(['spend_requested']);
    deliver(cohort);
    const { hex } = cohort.beacon.spends[0]!.transaction!;
    const { version, inputs, outputs } = parseTx(hex);
    expect([version, inputs[0]!.sequence]).toEqual([2, 1_008]);
    expect(outputs).toMatchObject([{ script_hex: addressToScript(REFUND.refund!.address, 'regtest') }]);
    expect(verifySignal(hex, cohort.beacon.script_hex, deposit.value_sats)).toBe(true);
    expect(sentOf({ effects: cohort.sent }, 'spend_status')[0]?.body.transactions).toEqual([hex]);
    expect(cohort.log.some(event => event.type === 'spend_completed')).toBe(true);
  });

  test('of an output that the chain shows otherwise is refused: no node would take it', () => {
    const cohort = formed(REFUND);
    const ask = (outpoint: typeof deposit) => cohort.give({ type: 'start_spend', purpose: 'refund', outpoint }).dropped;
    const txid = fund(cohort, 50_000);
    expect(ask({ txid, vout: 0, value_sats: 49_999 })).toMatch(/:0 holds 50000 sat, not 49999/);
    expect(ask({ txid, vout: 1, value_sats: 50_000 })).toMatch(/:1 is no output of the beacon/);
    expect(ask({ txid, vout: 0, value_sats: 50_000 })).toBeNull();
    deliver(cohort);
    cohort.mine(1_008);
    cohort.chain.submit(cohort.beacon.spends[0]!.transaction!.hex);
    cohort.mine(1);
    expect(ask({ txid, vout: 0, value_sats: 50_000 })).toMatch(/:0 is spent already/);
  });

  const LADDER: Partial<Terms> = { fee_ladder: { steps: 4, factor: 2, blocks: 3 }, fee_cap: 2_000 };
  const both = { ...REFUND, ...LADDER };

  test('is signed together with every step of a signal, for what that leaves at the beacon', async () => {
    const { cohort } = await signalSent(both);
    const [signal] = cohort.beacon.signals;
    const { steps, refunds, frozen } = signal!;
    expect(refunds).toHaveLength(4);
    for (const [i, hex] of refunds.entries()) {
      const { version, locktime, inputs, outputs } = parseTx(hex);
      const left = frozen.outpoint.value_sats - steps[i]!.fee_sats;
      expect([version, locktime]).toEqual([2, 0]);
      expect(inputs).toMatchObject([{ txid: steps[i]!.txid, vout: 0, sequence: 1_008 }]);
      expect(outputs).toEqual([
        { script_hex: addressToScript(REFUND.refund!.address, 'regtest'), value_sats: left - 2_000 },
      ]);
      expect(verifySignal(hex, cohort.beacon.script_hex, left)).toBe(true);
    }
    const points = [...cohort.beacon.round!.open[0]!.nonces.values()].map(({ body }) => body.nonce_points.flat());
    expect(points.map(each => new Set(each).size)).toEqual([16, 16, 16]);
    expect(sentOf({ effects: cohort.sent }, 'signal_status').at(-1)?.body.refunds).toEqual(refunds);
    cohort.expectRestartable();
  });

  test('of what is left is no stranger’s, when it is mined after all', async () => {
    const { cohort } = await signalSent(both);
    cohort.mine(6);
    cohort.chain.submit(cohort.beacon.signals[0]!.refunds[0]!);
    cohort.mine(6);
    expect(cohort.beacon.alarms.size).toBe(0);
    expect(cohort.chain.view(cohort.beacon.script_hex).utxos).toEqual([]);
  });

  test('that ends an open session gives its updates back, to be announced byte for byte', async () => {
    const { cohort, ada } = await signalSent(both);
    cohort.mine(6);
    const [refund] = cohort.beacon.signals[0]!.refunds;
    const next = register(cohort, ada, 'next');
    cohort.tell(ada, update(cohort, ada, next.did, await updateOf(next, addService('next'))));
    deliver(cohort, silent(cohort.members[2]!, 'aggregated_nonce'));
    const { signal_bytes } = cohort.beacon.round!.frozen!;
    expect(cohort.beacon.round!.open).toHaveLength(1);
    cohort.chain.submit(refund!);
    cohort.mine(5);
    expect(cohort.beacon.round?.frozen).toMatchObject({ signal_bytes });
    expect(typesOf(cohort.mine(1))).toContain('round_closed');
    expect(cohort.beacon.updates.get(next.did)).toMatchObject([{ state: 'returned' }]);
    expect(cohort.beacon.alarms.size).toBe(0);
  });

  test('is signed together with a cancel', async () => {
    const made = await sessionOpen(REFUND);
    const { cohort } = made;
    deliver(cohort, silent(cohort.members[2]!, 'aggregated_nonce'));
    cohort.wait(600);
    cohort.mail = [];
    cancel(cohort);
    deliver(cohort);
    const { transaction, refunds } = cohort.beacon.spends[0]!;
    expect(parseTx(refunds[0]!).inputs).toMatchObject([{ txid: transaction!.txid, vout: 0, sequence: 1_008 }]);
    expect(sentOf({ effects: cohort.sent }, 'spend_status')[0]?.body.refunds).toEqual(refunds);
    cohort.expectRestartable();
  });

  test('that a member signs wrong, or not at all, costs it the round: nobody has a step without it', async () => {
    const { cohort } = await sessionOpen(both);
    const eve = cohort.members[2]!;
    deliver(cohort, silent(eve, 'aggregated_nonce'));
    const asked = cohort.sent.findLast(
      ({ to, message }) => to === eve.transport && message.type === 'aggregated_nonce',
    );
    const honest = answer(cohort, eve, asked!) as Extract<Message, { type: 'signal_authorization' }>;
    const { sig } = honest.body;
    expect(sig).toHaveLength(8);
    const withSig = (changed: string[]): Message => ({ ...honest, body: { ...honest.body, sig: changed } });
    const short = cohort.tell(eve, withSig(sig.slice(0, 4)));
    expect(refusal(short)).toMatchObject({ code: 'invalid_signature', text: '8 signatures are due' });
    const wrong = cohort.tell(eve, withSig(sig.map((part, i) => (i === 6 ? sig[5]! : part))));
    expect(sentOf(wrong, 'rejection')[0]?.body).toMatchObject({ field: 'body.sig.6' });
    expect(sentOf(wrong, 'round_aborted')[0]?.body).toMatchObject({ reason: 'invalid_signature', blame: [eve.pk] });
    const kept = wrong.effects.flatMap(effect => (effect.type === 'keep_evidence' ? [effect.transcript] : []));
    expect(kept.map(judgeTranscript)).toMatchObject([
      { shown: true, fault: 'invalid_signature', participant_pk: eve.pk },
    ]);
    // Whoever writes other refunds into it convicts nobody: the session id is the hash of them, too.
    const { session } = kept[0]!;
    const lies = { ...kept[0]!, session: { ...session!, transactions: session!.transactions.slice(0, 4) } };
    expect(judgeTranscript(lies).shown).toBe(false);
    expect(cohort.beacon.signals).toEqual([]);
  });

  test('is refused where the terms have none', () => {
    const refused = formed().give({ type: 'start_spend', purpose: 'refund', outpoint: deposit }).dropped;
    expect(refused).toMatch(/no refund/);
  });
});
