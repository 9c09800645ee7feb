import { afterEach, describe, expect, test } from 'vitest';
import { curve } from '#curve';
import {
  buildSpend,
  finalizeRecovery,
  leafSighash,
  parseTx,
  scriptToAddress,
  type TreeKeys,
} from '../../src/bitcoin/index.ts';
import { treeKeysOf } from '../../src/cohort/keys.ts';
import { draftRecovery, type RecoveryDraft } from '../../src/cohort/recovery.ts';
import type { Terms } from '../../src/messages/index.ts';
import { spendSummaries } from '../../src/shell/views.ts';
import { type Cohort, deliver, formed, fund, sentOf, sessionOpen, silent, typesOf } from './driver.ts';
import { draw, drawHex, xOnly } from './members.ts';

const secret = draw('recovery key');
const POLICY = {
  type: 'fallback',
  threshold: 'n-1',
  recovery_key: xOnly(secret),
  recovery_delay_blocks: 144,
} as const;
const TERMS: Partial<Terms> = { policy: POLICY, cohort_size: { min: 3, max: 3 } };
const SCRIPT = `5120${drawHex('where the money goes')}`;
const TO = scriptToAddress(SCRIPT, 'regtest')!;

const started: Cohort[] = [];
afterEach(() => {
  for (const cohort of started.splice(0)) cohort.expectRestartable();
});

const keysOf = ({ beacon }: Cohort): TreeKeys => treeKeysOf(beacon.participant_pubkeys, beacon.policy)!;

const draft = (cohort: Cohort, to = TO): RecoveryDraft | string =>
  draftRecovery(cohort.state, cohort.beacon, to, {
    now: cohort.now,
    entropy: drawHex('none'),
    chain: cohort.chain.view(cohort.beacon.script_hex),
  });

function signed(
  cohort: Cohort,
  { unsigned_hex, outpoint }: Pick<RecoveryDraft, 'unsigned_hex' | 'outpoint'>,
  by = secret,
) {
  const keys = keysOf(cohort);
  const spent = { scriptHex: cohort.beacon.script_hex, valueSats: outpoint.value_sats };
  const message = leafSighash(unsigned_hex, spent, keys.tree.recovery);
  return finalizeRecovery(unsigned_hex, keys, curve.signSchnorr(message, by, draw('aux'))).hex;
}

function ripe(): { cohort: Cohort; made: RecoveryDraft } {
  const cohort = formed(TERMS);
  started.push(cohort);
  fund(cohort);
  cohort.mine(138);
  const made = draft(cohort);
  if (typeof made === 'string') throw new Error(made);
  return { cohort, made };
}

describe('a recovery', () => {
  test('spends the oldest output without a word, once it has lain for the delay and not a block earlier', () => {
    const cohort = formed(TERMS);
    started.push(cohort);
    expect(draft(cohort)).toMatch(/no output/);
    const txid = fund(cohort);
    cohort.mine(137);
    expect(draft(cohort)).toBe(
      `${txid}:0 has 143 of the 144 confirmations that the recovery key has to wait for: 1 more block`,
    );
    cohort.mine(1);
    const made = draft(cohort) as RecoveryDraft;
    const outcome = cohort.give({ type: 'recover', hex: signed(cohort, made) });
    expect(typesOf(outcome).slice(0, 2)).toEqual(['recovery_sent', 'alarm_raised']);
    const { inputs, outputs } = parseTx(cohort.beacon.recoveries[0]!.hex);
    expect(inputs).toMatchObject([{ txid, vout: 0, sequence: 144 }]);
    expect(outputs).toEqual([{ script_hex: SCRIPT, value_sats: 100_000 - made.fee_sats }]);
    expect(cohort.chain.has(made.txid)).toBe(true);
    const [alarm] = cohort.beacon.alarms.values();
    expect(alarm).toMatchObject({ code: 'recovery_spend', halts: false });
    expect(alarm!.text).toMatch(/by the recovery key alone/);
    // Its output is not offered again, and six deep nothing is sent any more.
    expect(draft(cohort)).toMatch(/no output/);
    const deep = cohort.mine(6);
    expect(typesOf(deep)).toContain('recovery_final');
    expect(deep.effects).toContainEqual({ type: 'settle_broadcast', txid: made.txid });
    expect(spendSummaries(cohort.state)).toMatchObject([
      { purpose: 'recovery', session_id: null, status: 'final', to: TO, txid: made.txid, outpoint: { txid } },
    ]);
    expect(cohort.beacon.alarms.size).toBe(1);
  });

  test('is refused where the terms have no such key, and to what is no address', () => {
    const cohort = formed();
    started.push(cohort);
    fund(cohort);
    expect(draft(cohort)).toMatch(/no recovery key/);
    expect(cohort.give({ type: 'recover', hex: '00' }).dropped).toMatch(/no recovery key/);
    expect(draft(ripe().cohort, 'nowhere')).toMatch(/address/);
    // Also while it is too early: an address that was wrong all the time is no news for the day.
    const early = formed(TERMS);
    started.push(early);
    fund(early);
    expect(draft(early, 'nowhere')).toMatch(/address/);
    expect(draft(early)).toMatch(/138 more blocks/);
  });

  test('is taken as it was offered only: signed by that key, of that age, and announcing nothing', () => {
    const { cohort, made } = ripe();
    const { outpoint } = made;
    const dropped = (hex: string) => cohort.give({ type: 'recover', hex }).dropped;
    const build = (changes: Partial<Parameters<typeof buildSpend>[0]>) => {
      const spend = { prevout: outpoint, scriptHex: cohort.beacon.script_hex, toHex: SCRIPT, feeSats: 500 };
      return signed(cohort, { unsigned_hex: buildSpend({ ...spend, ...changes }).unsignedHex, outpoint });
    };
    expect(dropped(signed(cohort, made, draw('thief')))).toMatch(/did not sign/);
    expect(dropped(made.unsigned_hex)).toMatch(/did not sign/);
    expect(dropped(build({ delayBlocks: 145 }))).toMatch(/not the transaction/);
    expect(dropped(build({ delayBlocks: 0 }))).toMatch(/not the transaction/);
    expect(dropped(build({ delayBlocks: 144, prevout: { ...outpoint, vout: 1 } }))).toMatch(/no output/);
    expect(dropped('zz')).toMatch(/no output/);
    const young = fund(cohort);
    const other = { txid: young, vout: 0, value_sats: 100_000 };
    const { unsignedHex } = buildSpend({
      prevout: other,
      scriptHex: cohort.beacon.script_hex,
      toHex: SCRIPT,
      feeSats: 500,
      delayBlocks: 144,
    });
    expect(dropped(signed(cohort, { unsigned_hex: unsignedHex, outpoint: other }))).toMatch(/younger than the 144/);
    expect(cohort.beacon.recoveries).toEqual([]);
  });

  test('of an open session’s output closes it without a signal: the updates go out again, byte for byte', async () => {
    const { cohort, controller } = await sessionOpen(TERMS);
    started.push(cohort);
    deliver(cohort, silent(cohort.members[2]!, 'aggregated_nonce', 'fallback_authorization_request'));
    const [, bob] = cohort.members;
    cohort.wait(600);
    deliver(cohort, (member, { message }) =>
      message.type === 'fallback_authorization_request' && member === bob ? 'answer' : 'ignore',
    );
    cohort.chain.mine(140);
    const made = draft(cohort) as RecoveryDraft;
    cohort.give({ type: 'recover', hex: signed(cohort, made) });
    const over = cohort.mine(6);
    expect(typesOf(over)).toContain('round_closed');
    expect(sentOf(over, 'round_aborted').at(-1)?.body.reason).toBe('outpoint_spent');
    expect(cohort.beacon.updates.get(controller.did)?.[0]?.state).toBe('returned');
  });

  test('that was made elsewhere raises the alarm of a stranger’s spend, which names the key', () => {
    const { cohort, made } = ripe();
    cohort.chain.submit(signed(cohort, made));
    cohort.mine(1);
    const [alarm] = cohort.beacon.alarms.values();
    expect(alarm).toMatchObject({ code: 'foreign_spend', halts: true });
    expect(alarm!.text).toMatch(/signed by the recovery key, and not here/);
  });
});
