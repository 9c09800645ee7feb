import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Config } from '../../src/config.ts';
import { OperatorError } from '../../src/operator/api.ts';
import { controlMethods } from '../../src/operator/methods.ts';
import { COHORT, configIn, fakeApi } from './daemon.ts';
import { runHere } from './here.ts';

let dir: string;
let config: Config;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'btcr2-methods-'));
  await runHere(['init'], dir);
  config = configIn(dir);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const refusal = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'accepted',
    error => {
      expect(error).toBeInstanceOf(OperatorError);
      return `${error.code}: ${error.message}`;
    },
  );

describe('the requests of the operator', () => {
  test('reach the daemon by their names', async () => {
    const { api, asked } = fakeApi(config);
    const methods = controlMethods(api, config);
    expect(Object.keys(methods).sort()).toEqual(Object.keys(api).sort());
    await methods.status!(undefined);
    await methods.cohortShow!({ cohort: COHORT });
    await methods.roundShow!({ cohort: 'demo', round: 7 });
    await methods.advertClose!({ advert: 'demo', status: 'cancelled' });
    expect(asked).toEqual([
      ['status', undefined],
      ['cohortShow', { cohort: COHORT }],
      ['roundShow', { cohort: 'demo', round: 7 }],
      ['advertClose', { advert: 'demo', status: 'cancelled' }],
    ]);
  });

  test.each([
    ['cohortShow', {}],
    ['cohortShow', { cohort: '' }],
    ['cohortShow', { cohort: 5 }],
    ['cohortShow', { cohort: 'a', more: 1 }],
    ['cohortShow', null],
    ['roundShow', { cohort: 'a', round: 1.5 }],
    ['roundShow', { cohort: 'a', round: -1 }],
    ['advertClose', { advert: 'a', status: 'open' }],
    ['status', { verbose: true }],
    ['advertCreate', { id: 7 }],
    ['advertCreate', 'x'],
    ['evidenceList', { cohort: '' }],
    ['evidenceExport', {}],
    ['evidenceExport', { id: 1.5 }],
    ['evidenceExport', { id: '1' }],
    ['cohortEnd', { cohort: 'a', deadline_in: -1 }],
    ['cohortEnd', { cohort: 'a', text: 'a\u0007b' }],
    ['cohortEnd', { advert: 'a' }],
    ['cohortSuccession', {}],
    ['archiveExport', { cohort: 'a', folder: 'relative' }],
    ['memberMark', { cohort: 'a', member: 'b' }],
  ])('%s is refused with %j', async (method, params) => {
    const { api, asked } = fakeApi(config);
    expect(await refusal(controlMethods(api, config)[method]!(params))).toMatch(/^invalid_params: /);
    expect(asked).toEqual([]);
  });
});

describe('a new advert', () => {
  const create = (chosen: unknown) => {
    const { api, asked } = fakeApi(config);
    return controlMethods(api, config).advertCreate!(chosen).then(() => asked[0]![1]);
  };

  test('takes from the configuration what is not chosen, inside its tables too', async () => {
    expect(await create({ id: 'mine', cohort_size: { min: 4 }, fee_cap: 2_000 })).toEqual({
      ...config.advert,
      id: 'mine',
      cohort_size: { min: 4, max: config.advert.cohort_size.max },
      fee_cap: 2_000,
    });
    expect(await create(undefined)).toEqual(config.advert);
  });

  test('is not changed by a key called __proto__', async () => {
    expect(await create(JSON.parse('{"__proto__": {"fee_cap": 5}}'))).toEqual(config.advert);
  });

  test.each([
    [{ type: 'IPFSBeacon' }, /^invalid_terms: type: has to be one of "SMTBeacon", "CASBeacon"/],
    [{ type: 'CASBeacon', privacy: 'blinded' }, /privacy: .*CASBeacon.*; privacy: .*flow = "push"/],
    [{ type: 'CASBeacon', bit_order: 'lsb' }, /bit_order: has to be "spec"/],
    [{ cohort_size: { min: 9, max: 3 } }, /cohort_size\.min: has to be at most advert\.cohort_size\.max/],
    [{ frequency: { min_interval: 999_999 } }, /frequency\.min_interval: has to be at most/],
    [{ admission: 'invite' }, /admission\.invites: is empty/],
    [{ transport_key: COHORT }, /transport_key: unknown key/],
    [{ fee_cap: 10 }, /fee_cap: has to be a whole number of satoshis from 200/],
    [{ signal_output: 'middle' }, /signal_output: has to be one of "last", "first"/],
  ])('%j is refused before any wallet sees it', async (chosen, expected) => {
    expect(await refusal(create(chosen))).toMatch(expected);
  });
});
