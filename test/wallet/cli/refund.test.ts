import { beforeEach, expect, test } from 'vitest';
import { localPort } from '../../../src/wallet/cli/port.ts';
import { walletMethods } from '../../../src/wallet/cli/served.ts';
import type { RefundsResult } from '../../../src/wallet/refund-api.ts';
import { advertEvent, advertOf, cli, cohortView, fakeWallet, statusOf, tempHome } from './harness.ts';

const demo = advertOf(advertEvent('demo'));
const status = () => statusOf({ cohorts: [cohortView(demo)] });
const TO = 'bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202';
const TXID = 'ab'.repeat(32);

let home: string;
beforeEach(async () => {
  home = await tempHome();
});
const at = (...argv: string[]): string[] => [...argv, '--home', home, '--log-level', 'error'];

const result = (over: Partial<RefundsResult> = {}): RefundsResult => ({
  cohort: demo.cohort,
  advert_id: 'demo',
  to: TO,
  tip_height: 200,
  without_sats: 0,
  refunds: [
    { outpoint: `${TXID}:0`, value_sats: 90_000, txid: 'cd'.repeat(32), hex: '00', from_height: 260, sent: false },
  ],
  ...over,
});

test('refund says what can be given back, to where and when, and what has none', async () => {
  const wallet = fakeWallet({ status, refunds: async () => result({ without_sats: 5_000 }) });
  const { code, out } = await cli(at('refund', 'demo'), { wallet });
  expect(code).toBe(0);
  expect(out).toBe(
    `90000 sat of ${TXID}:0 to ${TO}, by ${'cd'.repeat(32)}: can be sent in 60 blocks\n` +
      '5000 sat in the beacon of demo have no refund here\n',
  );
  expect(wallet.calls).toContainEqual(['refunds', { cohort: demo.cohort }]);
  const empty = fakeWallet({ status, refunds: async () => result({ refunds: [] }) });
  expect((await cli(at('refund', 'demo'), { wallet: empty })).out).toBe('there is nothing in the beacon of demo\n');
});

test('refund --send publishes what may be published', async () => {
  const sent = result({ tip_height: 260 });
  const wallet = fakeWallet({
    status,
    refunds: async ({ send }) => ({ ...sent, refunds: sent.refunds.map(each => ({ ...each, sent: send === true })) }),
  });
  expect((await cli(at('refund', 'demo'), { wallet })).out).toMatch(/can be sent now/);
  const { out } = await cli(at('refund', 'demo', '--send', '--json'), { wallet });
  expect(JSON.parse(out)).toMatchObject({ refunds: [{ sent: true }] });
  expect(wallet.calls).toContainEqual(['refunds', { cohort: demo.cohort, send: true }]);
});

test('refund --ask has one signed by all, and says that it takes a while', async () => {
  const wallet = fakeWallet({
    status,
    refunds: async ({ ask }) => result({ refunds: [], without_sats: 5_000, ...(ask ? { asked: `${TXID}:1` } : {}) }),
  });
  const { code, out } = await cli(at('refund', 'demo', '--ask'), { wallet });
  expect(code).toBe(0);
  expect(out).toMatch(new RegExp(`members are asked to sign the refund of ${TXID}:1: look again`));
  expect(wallet.calls).toContainEqual(['refunds', { cohort: demo.cohort, ask: true }]);
  const both = await cli(at('refund', 'demo', '--ask', '--send'), { wallet });
  expect(both.code).toBe(2);
});

test('a wallet that runs elsewhere takes over its socket all that the library takes, and nothing else', async () => {
  const wallet = fakeWallet({ refunds: async () => result() });
  const { refunds } = walletMethods(localPort(wallet), { pid: 1, network: 'regtest' });
  const request = { cohort: demo.cohort, ask: true, send: false };
  await refunds!(request);
  expect(wallet.calls).toContainEqual(['refunds', request]);
  await expect(refunds!({ ...request, all: true })).rejects.toThrow(/"all"/);
});
