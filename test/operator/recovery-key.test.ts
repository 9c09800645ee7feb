import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { curve } from '#curve';
import { buildSpend, parseTx, scriptToAddress, verifyRecovery } from '../../src/bitcoin/index.ts';
import { beaconOf, treeKeysOf } from '../../src/cohort/keys.ts';
import type { Config } from '../../src/config.ts';
import { fromHex, toHex } from '../../src/crypto/index.ts';
import type { RecoveryOffer } from '../../src/operator/api.ts';
import { serveControl } from '../../src/operator/control.ts';
import { chooseTerms, controlMethods } from '../../src/operator/methods.ts';
import { controlPath } from '../../src/operator/run.ts';
import { draw, drawHex, newMember } from '../cohort/members.ts';
import { COHORT, configIn, detail, fakeApi } from './daemon.ts';
import { runHere } from './here.ts';

const TO = scriptToAddress(`5120${drawHex('where the money goes')}`, 'regtest')!;
const keys = ['ada', 'bob', 'eve'].map(name => newMember(name).pk);

let dir: string;
let config: Config;
let undo: (() => Promise<void>)[];
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'btcr2-recovery-'));
  undo = [];
  await runHere(['init'], dir);
  config = configIn(dir);
});
afterEach(async () => {
  for (const each of undo) await each();
  rmSync(dir, { recursive: true, force: true });
});

const cli = (...argv: string[]) => runHere(argv, dir);
const file = () => join(dir, 'recovery.key');

/** What an honest daemon offers for a key. */
function offerFor(recovery_key: string, changes: Partial<RecoveryOffer> = {}): RecoveryOffer {
  const policy = { type: 'fallback', threshold: 'n-1', recovery_key, recovery_delay_blocks: 144 } as const;
  const outpoint = { txid: drawHex('deposit'), vout: 0, value_sats: 90_000 };
  const { script_hex: scriptHex } = beaconOf(keys, 'regtest', policy);
  const { unsignedHex, txid } = buildSpend({
    prevout: outpoint,
    scriptHex,
    toHex: `5120${drawHex('where the money goes')}`,
    feeSats: 500,
    delayBlocks: 144,
  });
  const spend = { outpoint, to: TO, fee_sats: 500, unsigned_hex: unsignedHex, txid };
  return { network: 'regtest', participant_pubkeys: keys, policy, ...spend, ...changes };
}

/** `promised`: the policy in the terms. */
async function serve(offer: RecoveryOffer, promised = offer.policy): Promise<[string, unknown][]> {
  const asked: [string, unknown][] = [];
  const { api } = fakeApi(config, {
    cohortShow: async () => {
      const known = detail(config);
      return { ...known, terms: { ...known.terms, policy: promised } };
    },
    recoveryOffer: async params => {
      asked.push(['recoveryOffer', params]);
      return offer;
    },
    recoverySend: async params => {
      asked.push(['recoverySend', params]);
      const { outpoint, to, fee_sats, txid } = offer;
      return { outpoint, to, fee_sats, txid, hex: params.hex };
    },
  });
  const { close } = await serveControl(controlPath(config.state_dir), controlMethods(api, config));
  undo.push(close);
  return asked;
}

const made = async (): Promise<string> => {
  const { stdout } = await cli('keys', 'recovery', 'recovery.key', '--json');
  return (JSON.parse(stdout) as { recovery_key: string }).recovery_key;
};

describe('keys recovery', () => {
  test('writes a private file that is never written over, and shows the public half alone', async () => {
    const { code, stdout } = await cli('keys', 'recovery', 'recovery.key');
    expect(code).toBe(0);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    const secret = readFileSync(file(), 'utf8').trim();
    const public_ = toHex(curve.publicKey(fromHex(secret)).subarray(1));
    expect(stdout).toContain(`--policy fallback --recovery-key ${public_}`);
    expect(stdout).not.toContain(secret);
    const again = await cli('keys', 'recovery', 'recovery.key');
    expect(again).toMatchObject({ code: 1, stdout: '' });
    expect(readFileSync(file(), 'utf8').trim()).toBe(secret);
  });

  test('is for terms that hold: the policy as a whole, told by its keys', () => {
    const terms = (policy: object, more: object = {}) =>
      chooseTerms(config, { policy, cohort_size: { min: 3, max: 5 }, ...more });
    const policy = { type: 'fallback', recovery_key: '11'.repeat(32), recovery_delay_blocks: 1_008 };
    expect(terms(policy).policy).toEqual({ ...policy, threshold: 'n-1' });
    expect(() => terms({ ...policy, type: 'keypath' })).toThrow(
      /policy\.recovery_key: does not go with type = "keypath".*policy\.recovery_delay_blocks: does not go with/s,
    );
    expect(() => terms({ ...policy, recovery_kee: 1 })).toThrow(
      /recovery_kee: unknown key; did you mean recovery_key\?/,
    );
    expect(() => terms({ type: 'fallback' })).toThrow(/policy\.recovery_key: .*policy\.recovery_delay_blocks: /s);
    expect(() => terms(policy, { cohort_size: { min: 2, max: 5 } })).toThrow(/cohort_size\.min: /);
    expect(() => terms(policy, { fee_cap: 262 })).toThrow(/fee_cap: a fallback of 5 members has 263 vB/);
    const standing = { ...config, advert: { ...config.advert, policy: terms(policy).policy } };
    expect(chooseTerms(standing, { policy: { type: 'keypath' } }).policy).toEqual({ type: 'keypath' });
  });
});

describe('spend recover', () => {
  test('signs what it built itself, and sends the daemon no secret', async () => {
    const offer = offerFor(await made());
    const asked = await serve(offer);
    const { code, stdout } = await cli('spend', 'recover', 'demo', TO, '--key-file', 'recovery.key');
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Sent ${offer.txid}: 89,500 sat to ${TO}, by the recovery key`));
    expect(asked.map(([method]) => method)).toEqual(['recoveryOffer', 'recoverySend']);
    const { cohort, hex } = asked[1]![1] as { cohort: string; hex: string };
    expect(cohort).toBe('demo');
    const { script_hex: scriptHex } = beaconOf(keys, 'regtest', offer.policy);
    const spent = { scriptHex, valueSats: 90_000 };
    expect(verifyRecovery(hex, spent, treeKeysOf(keys, offer.policy)!)).toBe(true);
    expect(parseTx(hex).outputs).toHaveLength(1);
    expect(JSON.stringify(asked)).not.toContain(readFileSync(file(), 'utf8').trim());
  });

  test('signs nothing for a daemon that offers another address, fee or output than its transaction has', async () => {
    const honest = offerFor(await made());
    const elsewhere = scriptToAddress(`5120${drawHex('thief')}`, 'regtest')!;
    const { unsignedHex } = buildSpend({
      prevout: honest.outpoint,
      scriptHex: beaconOf(keys, 'regtest', honest.policy).script_hex,
      toHex: `5120${drawHex('thief')}`,
      feeSats: 500,
      delayBlocks: 144,
    });
    const lies: Partial<RecoveryOffer>[] = [
      { unsigned_hex: unsignedHex, to: elsewhere },
      { fee_sats: 400 },
      { outpoint: { ...honest.outpoint, vout: 1 } },
      { policy: { type: 'keypath' } },
    ];
    for (const lie of lies) {
      const asked = await serve({ ...honest, ...lie }, honest.policy);
      const { code, stderr } = await cli('spend', 'recover', 'demo', TO, '--key-file', 'recovery.key');
      expect([code, stderr]).toEqual([1, expect.stringMatching(/another transaction|no recovery key/)]);
      expect(asked.map(([method]) => method)).toEqual(['recoveryOffer']);
      await undo.pop()!();
    }
  });

  test.each<[string, RegExp, () => void]>([
    ['is not there', /there is no file/, () => {}],
    [
      'others can read',
      /chmod 600/,
      () => {
        writeFileSync(file(), `${drawHex('recovery')}\n`);
        chmodSync(file(), 0o644);
      },
    ],
    ['holds no key', /holds no key/, () => writeFileSync(file(), 'nonsense', { mode: 0o600 })],
    [
      'holds another key',
      /is not the recovery key of these terms/,
      () => writeFileSync(file(), `${toHex(draw('another'))}\n`, { mode: 0o600 }),
    ],
  ])('refuses a key file that %s', async (_, text, prepare) => {
    prepare();
    const asked = await serve(offerFor(toHex(curve.publicKey(draw('recovery')).subarray(1))));
    const { code, stderr } = await cli('spend', 'recover', COHORT, TO, '--key-file', 'recovery.key');
    expect(code).toBe(1);
    expect(stderr).toMatch(text);
    // Long before the delay has passed, too: nothing was asked of the daemon's output.
    expect(asked).toEqual([]);
  });

  test('needs to be told which key', async () => {
    await serve(offerFor('11'.repeat(32)));
    const { code, stderr } = await cli('spend', 'recover', 'demo', TO);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/--key-file/)]);
  });
});
