import { describe, expect, test } from 'vitest';
import { parseTx, verifySignal } from '../../src/bitcoin/index.ts';
import type { SignalStatus, Terms } from '../../src/messages/index.ts';
import {
  type Cohort,
  deliver,
  fund,
  register,
  sentOf,
  sessionOpen,
  signalSent,
  silent,
  typesOf,
  update,
} from './driver.ts';
import { addService, updateOf } from './members.ts';

const LADDER: Partial<Terms> = { fee_ladder: { steps: 4, factor: 2, blocks: 3 }, fee_cap: 2_000 };

const statuses = (outcome: { effects: Parameters<typeof sentOf>[0]['effects'] }): SignalStatus[] =>
  sentOf(outcome, 'signal_status').map(sent => sent.body);

const onlySignal = (cohort: Cohort) => {
  expect(cohort.beacon.signals).toHaveLength(1);
  return cohort.beacon.signals[0]!;
};

/** A signal whose broadcast reached nobody: every step is signed, none is in the mempool. */
async function lingering() {
  const made = await signalSent(LADDER);
  const { cohort } = made;
  const signal = onlySignal(cohort);
  cohort.chain.evict(signal.txid);
  cohort.broadcasts = false;
  return { ...made, signal };
}

// fault 30
describe('a fee ladder', () => {
  test('is signed in one ceremony, each step with nonces of its own; the cheapest goes out', async () => {
    const { cohort } = await signalSent(LADDER);
    const { steps, frozen, txid, fee_sats } = onlySignal(cohort);
    expect(steps.map(step => step.fee_sats)).toEqual([308, 616, 1_232, 2_000]);
    expect(steps.map(step => parseTx(step.hex!).txid)).toEqual(steps.map(step => step.txid));
    for (const { hex } of steps)
      expect(verifySignal(hex!, cohort.beacon.script_hex, frozen.outpoint.value_sats)).toBe(true);
    expect([txid, fee_sats]).toEqual([steps[0]!.txid, 308]);
    const [session] = cohort.beacon.round!.open;
    for (const { body } of session!.nonces.values()) expect(new Set(body.nonce_points.flat()).size).toBe(8);
    expect(cohort.chain.has(steps[0]!.txid)).toBe(true);
    // Members get every step, in case the aggregator goes.
    const told = statuses({ effects: cohort.sent });
    expect(told.at(-1)?.transactions).toEqual(steps.map(step => step.hex));
    cohort.mine(6);
    expect(cohort.beacon.round).toBeNull();
    expect(cohort.beacon.alarms.size).toBe(0);
  });

  test('is climbed one step each time that the last one lingers, and no higher than its end', async () => {
    const { cohort, signal } = await lingering();
    const fees: number[] = [];
    for (let i = 0; i < 4; i++) {
      expect(typesOf(cohort.mine(2))).toEqual([]);
      const outcome = cohort.mine(1);
      fees.push(onlySignal(cohort).fee_sats);
      if (i === 3) {
        expect(outcome.events).toEqual([]);
        break;
      }
      const { txid, hex } = signal.steps[i + 1]!;
      expect(outcome.effects).toContainEqual({ type: 'broadcast', txid, hex });
      expect(outcome.effects).toContainEqual({ type: 'settle_broadcast', txid: signal.steps[i]!.txid });
      expect(statuses(outcome)[0]).toMatchObject({ status: 'broadcast', txid });
    }
    expect(fees).toEqual([616, 1_232, 2_000, 2_000]);
    cohort.chain.submit(onlySignal(cohort).hex);
    cohort.mine(6);
    expect(onlySignal(cohort).seen.status).toBe('final');
    expect(cohort.beacon.round).toBeNull();
    cohort.expectRestartable();
  });

  test('displaces in the mempool what pays too little for any block', async () => {
    const { cohort } = await signalSent(LADDER);
    const { steps } = onlySignal(cohort);
    for (let i = 0; i < 3; i++) {
      // Blocks go by without it.
      cohort.chain.evict(steps[0]!.txid);
      cohort.chain.mine();
      cohort.chain.submit(steps[0]!.hex!);
      cohort.wait(600);
    }
    expect(onlySignal(cohort).txid).toBe(steps[1]!.txid);
    expect([cohort.chain.has(steps[0]!.txid), cohort.chain.has(steps[1]!.txid)]).toEqual([false, true]);
    cohort.mine(6);
    expect(onlySignal(cohort)).toMatchObject({ txid: steps[1]!.txid, fee_sats: 616, seen: { status: 'final' } });
  });

  test('is climbed at once where the node asks for a higher fee; past its end that is an alarm, until it is mined', async () => {
    const { cohort, signal } = await lingering();
    const refuse = (txid: string, cheap: boolean) =>
      cohort.give({ type: 'broadcast_refused', txid, reason: 'fee_too_low: min relay fee not met', cheap });
    for (const { txid } of signal.steps.slice(0, 3)) {
      expect(typesOf(refuse(txid, true))).toEqual(['signal_switched']);
      // A late refusal of what was replaced since.
      expect(refuse(txid, false).effects.some(effect => effect.type === 'broadcast')).toBe(false);
    }
    const top = signal.steps[3]!;
    expect(onlySignal(cohort).txid).toBe(top.txid);
    expect(typesOf(refuse(top.txid, true))).toEqual(['alarm_raised']);
    cohort.chain.submit(top.hex!);
    cohort.mine(1);
    expect([...cohort.beacon.alarms.keys()]).toEqual([]);
  });

  test('any step that is mined is the signal, whoever published it', async () => {
    for (const position of [0, 2, 3]) {
      const { cohort, signal } = await lingering();
      cohort.mine(3);
      const step = signal.steps[position]!;
      cohort.chain.submit(step.hex!);
      const outcome = cohort.mine(1);
      expect(onlySignal(cohort)).toMatchObject({ txid: step.txid, seen: { status: 'confirmed' } });
      expect(statuses(outcome).at(-1)).toMatchObject({ status: 'confirmed', txid: step.txid });
      cohort.mine(5);
      expect(cohort.beacon.round).toBeNull();
      expect(cohort.beacon.alarms.size).toBe(0);
      cohort.expectRestartable();
    }
  });

  test('a member that publishes a higher step is followed', async () => {
    const { cohort } = await signalSent(LADDER);
    const { steps } = onlySignal(cohort);
    expect(cohort.chain.submit(steps[3]!.hex!)).toBe(true);
    cohort.advance();
    expect(onlySignal(cohort)).toMatchObject({ txid: steps[3]!.txid, seen: { status: 'broadcast' } });
    cohort.mine(6);
    expect(cohort.beacon.round).toBeNull();
  });

  test('stays that of the attempt that every member signed, though one before made the same transactions', async () => {
    const { cohort } = await sessionOpen(LADDER);
    const eve = cohort.members[2]!;
    deliver(cohort, silent(eve, 'aggregated_nonce'));
    cohort.wait(600);
    cohort.mail = [];
    cohort.wait(60);
    cohort.broadcasts = false;
    deliver(cohort);
    const { session_id, attempt, steps } = onlySignal(cohort);
    expect(attempt).toBe(2);
    expect(steps.map(step => step.attempt)).toEqual([1, 1, 1, 1, 2, 2, 2, 2]);
    const outcome = cohort.mine(3);
    expect(onlySignal(cohort)).toMatchObject({ session_id, attempt, txid: steps[1]!.txid });
    expect(statuses(outcome)[0]).toMatchObject({ session_id, transactions: steps.slice(4).map(step => step.hex) });
  });

  test('what a reorganization takes away has its time again', async () => {
    const { cohort } = await signalSent(LADDER);
    cohort.mine(2);
    const { txid } = onlySignal(cohort);
    cohort.chain.undo(2, 'gone');
    cohort.broadcasts = false;
    cohort.advance();
    cohort.mine(2);
    expect(onlySignal(cohort).txid).toBe(txid);
    cohort.mine(1);
    expect(onlySignal(cohort).fee_sats).toBe(616);
  });
});

// fault 31
describe('a signal of a closed round that a reorganization took out', () => {
  async function takenOut() {
    const made = await signalSent(LADDER);
    const { cohort } = made;
    cohort.mine(6);
    expect(cohort.beacon.round).toBeNull();
    const signal = onlySignal(cohort);
    cohort.chain.undo(6, 'gone');
    cohort.broadcasts = false;
    const outcome = cohort.advance();
    expect(outcome.effects).toContainEqual({ type: 'broadcast', txid: signal.txid, hex: signal.hex });
    return { ...made, signal };
  }

  async function ends(cohort: Cohort) {
    cohort.chain.submit(onlySignal(cohort).hex);
    cohort.mine(6);
    expect(onlySignal(cohort).seen.status).toBe('final');
    expect([cohort.beacon.round, cohort.beacon.alarms.size]).toEqual([null, 0]);
    cohort.expectRestartable();
  }

  test('climbs at once where the node finds it too cheap now, to its end', async () => {
    const { cohort, signal } = await takenOut();
    for (const [i, { txid }] of signal.steps.slice(0, 3).entries()) {
      const outcome = cohort.give({ type: 'broadcast_refused', txid, reason: 'min relay fee not met', cheap: true });
      expect(typesOf(outcome)).toEqual(['signal_switched']);
      const { txid: next, hex } = signal.steps[i + 1]!;
      expect(outcome.effects).toContainEqual({ type: 'broadcast', txid: next, hex });
    }
    await ends(cohort);
  });

  test('climbs when it lingers', async () => {
    const { cohort, signal } = await takenOut();
    cohort.mine(2);
    expect(onlySignal(cohort).txid).toBe(signal.txid);
    cohort.mine(1);
    expect(onlySignal(cohort)).toMatchObject({ txid: signal.steps[1]!.txid, fee_sats: 616 });
    await ends(cohort);
  });

  test('does not climb for an answer that comes late, when it is in a block', async () => {
    const { cohort } = await signalSent(LADDER);
    cohort.mine(6);
    const { txid } = onlySignal(cohort);
    const outcome = cohort.give({ type: 'broadcast_refused', txid, reason: 'min relay fee not met', cheap: true });
    expect(outcome.effects.some(effect => effect.type === 'broadcast')).toBe(false);
    expect(onlySignal(cohort).txid).toBe(txid);
  });

  test('climbs before the next one does, which spends its change', async () => {
    const { cohort, ada } = await signalSent(LADDER);
    cohort.mine(6);
    const next = register(cohort, ada, 'next');
    cohort.tell(ada, update(cohort, ada, next.did, await updateOf(next, addService('next'))));
    deliver(cohort);
    const [first, second] = cohort.beacon.signals;
    cohort.chain.evict(second!.txid);
    cohort.chain.undo(6, 'gone');
    cohort.broadcasts = false;
    cohort.advance();
    const fees = () => cohort.beacon.signals.map(signal => signal.fee_sats);
    expect(fees()).toEqual([first!.fee_sats, second!.fee_sats]);
    for (const step of first!.steps.slice(1)) {
      cohort.mine(3);
      expect(fees()).toEqual([step.fee_sats, second!.fee_sats]);
    }
  });
});

// fault 31
describe('a reorganization that mines another step than the one that the next round spends', () => {
  /** The second round is under way on the change of the first step; then that step is not the one on chain any more. */
  async function replaced(stage: 'open' | 'nonces' | 'announced', into: number, changes: Partial<Terms> = LADDER) {
    const made = await signalSent(changes);
    const { cohort, ada } = made;
    const { steps, frozen } = onlySignal(cohort);
    cohort.mine(6);
    const next = register(cohort, ada, 'next');
    const signed = await updateOf(next, addService('next'));
    cohort.tell(ada, update(cohort, ada, next.did, signed));
    const eve = cohort.members[2]!;
    if (stage === 'announced') deliver(cohort);
    else deliver(cohort, silent(eve, stage === 'open' ? 'aggregated_nonce' : 'authorize_beacon_signal_request'));
    const before = structuredClone(cohort.beacon.round!.frozen!);
    expect(before.outpoint.txid).toBe(steps[0]!.txid);
    const late = cohort.beacon.signals[1]?.hex;
    if (late !== undefined) cohort.chain.evict(parseTx(late).txid);
    cohort.chain.undo(6, 'gone');
    cohort.broadcasts = false;
    cohort.chain.submit(steps[into]!.hex!);
    return { ...made, steps, frozen, before, late, next };
  }

  test.each(['open', 'announced'] as const)('signs the same bytes on its change (%s)', async stage => {
    const { cohort, steps, before, late } = await replaced(stage, 2);
    cohort.mail = [];
    const child = late === undefined ? [] : [parseTx(late).txid];
    const refuse = (txid: string) =>
      typesOf(cohort.give({ type: 'broadcast_refused', txid, reason: 'conflict: missingorspent', cheap: false }));
    expect(child.map(txid => refuse(txid)[0])).toEqual(child.map(() => 'alarm_raised'));
    cohort.mine(5);
    expect(cohort.beacon.round!.frozen!.outpoint).toEqual(before.outpoint);
    expect(cohort.beacon.signals[0]?.txid).toBe(steps[2]!.txid);
    cohort.broadcasts = true;
    const outcome = cohort.mine(1);
    expect(typesOf(outcome)).toContain('outpoint_moved');
    // What can never be mined is no news any more, and neither is an answer about it that comes late.
    expect(cohort.beacon.alarms.size).toBe(0);
    expect(child.flatMap(refuse)).toEqual([]);
    expect(sentOf(outcome, 'round_aborted')[0]?.body).toMatchObject({ open: true, blame: [] });
    const { frozen } = cohort.beacon.round!;
    expect(frozen).toEqual({ ...before, outpoint: frozen!.outpoint });
    expect(frozen!.outpoint).toMatchObject({ txid: steps[2]!.txid, vout: 0 });
    if (late !== undefined) expect(cohort.chain.submit(late)).toBe(false);
    deliver(cohort);
    expect(cohort.beacon.signals).toHaveLength(2);
    expect(cohort.beacon.signals[1]!.frozen.signal_bytes).toBe(before.signal_bytes);
    cohort.mine(6);
    expect(cohort.beacon.signals.map(signal => signal.seen.status)).toEqual(['final', 'final']);
    expect(cohort.beacon.round).toBeNull();
    expect(cohort.beacon.alarms.size).toBe(0);
    cohort.expectRestartable();
  });

  test('frees what nobody can have signed', async () => {
    const { cohort, before } = await replaced('nonces', 1);
    cohort.mail = [];
    cohort.mine(5);
    // Its deadline passed meanwhile, and what is final again opens the next one.
    cohort.broadcasts = true;
    cohort.mine(1);
    deliver(cohort);
    expect(cohort.beacon.signals).toHaveLength(2);
    expect(cohort.beacon.signals[1]!.frozen.outpoint).not.toEqual(before.outpoint);
    cohort.mine(6);
    expect(cohort.beacon.alarms.size).toBe(0);
    expect(cohort.beacon.round).toBeNull();
  });

  test('gives the updates back where that change is too little', async () => {
    const { cohort, next } = await replaced('open', 3, {
      ...LADDER,
      fee_cap: 99_000,
      fee_ladder: { steps: 4, factor: 10, blocks: 3 },
    });
    cohort.mail = [];
    cohort.mine(5);
    cohort.broadcasts = true;
    const outcome = cohort.mine(1);
    expect(typesOf(outcome)).toContain('round_closed');
    expect(cohort.beacon.updates.get(next.did)).toMatchObject([{ state: 'returned' }]);
    fund(cohort, 200_000);
    deliver(cohort);
    cohort.mine(6);
    expect(cohort.beacon.signals).toHaveLength(2);
    expect(cohort.beacon.updates.get(next.did)).toMatchObject([{ state: 'final' }]);
  });

  test('another attempt of a closed round counts as its signal, not as a stranger', async () => {
    const { cohort, steps } = await replaced('announced', 1);
    cohort.mine(7);
    expect(cohort.beacon.signals[0]).toMatchObject({ txid: steps[1]!.txid, seen: { status: 'final' } });
    expect(cohort.beacon.alarms.size).toBe(0);
  });
});
