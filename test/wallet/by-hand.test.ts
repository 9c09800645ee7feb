import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Config } from '../../src/config.ts';
import { fromHex } from '../../src/crypto/index.ts';
import { type Daemon, startDaemon } from '../../src/daemon.ts';
import { type Envelope, signEnvelope } from '../../src/messages/index.ts';
import type { Scheme } from '../../src/messages/terms.ts';
import { silent } from '../../src/nostr/log.ts';
import type { Composed } from '../../src/shell/by-hand.ts';
import { openWallet, type Wallet } from '../../src/wallet/client.ts';
import { startFakeEsplora } from '../operator/fake-esplora.ts';
import { PLAIN_FORM } from '../terms.ts';

const now = (): number => Math.floor(Date.now() / 1000);

let dir: string;
let daemon: Daemon;
let cohort: string;
const wallets = new Map<string, Wallet>();
let esplora: Awaited<ReturnType<typeof startFakeEsplora>>;
let config: Config;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'bh-'));
  esplora = await startFakeEsplora();
  const key_file = join(dir, 'identity');
  writeFileSync(key_file, `${'0'.repeat(63)}3`, { mode: 0o600 });
  config = {
    network: 'regtest',
    mainnet: false,
    state_dir: join(dir, 'state'),
    identity: { key_file },
    relays: [],
    relays_file: '',
    chain: { backend: 'esplora', url: esplora.url, poll_ms: 1_000 },
    advert: {
      ...PLAIN_FORM,
      cohort_size: { min: 2, max: 5 },
      frequency: { interval: 3600, min_interval: 0, pending_updates: 1 },
      latency: { cohort_set: 3600, presence: 3600, nonce: 3600, signature: 3600 },
      dids: { min: 0, max: 20 },
      funder: 'operator',
      fee_cap: 2_000,
      communication: ['nip44_v2', 'nip04', 'nip59'],
      expires_in: 3600,
    },
    admission: { invites: [], allowlist: [] },
    profile: { name: 'test', about: 'a test' },
    log: { level: 'debug', format: 'text' },
  };
  daemon = await startDaemon(config, { log: silent });
  ({ cohort } = await daemon.api.advertCreate({}));
}, 60_000);
afterEach(async () => {
  for (const wallet of wallets.values()) await wallet.stop();
  wallets.clear();
  await daemon.stop();
  await esplora.stop();
  rmSync(dir, { recursive: true, force: true });
}, 60_000);

/** A wallet that has asked to join, without a relay or a view of the chain. */
async function joined(name: string, scheme: Scheme = 'nip44_v2'): Promise<Wallet> {
  const wallet = await openWallet({ home: join(dir, name), network: 'regtest', relays: [], chain: null, log: silent });
  wallets.set(name, wallet);
  const { event } = await daemon.api.advertExport({ advert: cohort });
  const [found] = await wallet.discover({ events: [event] });
  await wallet.join({ advert: found!.advert, scheme });
  return wallet;
}

const deliverAll = async (composed: readonly Composed[], to: Pick<Wallet, 'deliver'> | Daemon['api']) => {
  const outcomes = [];
  for (const { lines } of composed) for (const text of lines) outcomes.push(await to.deliver({ text, stays: false }));
  return outcomes;
};
const composedBy = (wallet: Wallet, more: Partial<Parameters<Wallet['compose']>[0]> = {}) =>
  wallet.compose({ form: 'plain', ...more });
const answers = (more: object = {}) => daemon.api.compose({ cohort, form: 'plain', ...more });
/** A message of this wallet's own key, as it would be if the wallet were another program. */
function written(name: string, change: Partial<Envelope>): string {
  const [sent] = JSON.parse(JSON.stringify(lastSent.get(name))) as Envelope[];
  const { v: _, id: __, sig: ___, ...rest } = { ...sent!, ...change } as Envelope;
  const { keys } = JSON.parse(readFileSync(join(dir, name, 'keys.json'), 'utf8')) as {
    keys: Record<string, { secret: string }>;
  };
  const secret = Object.entries(keys).find(([key]) => key.slice(2) === rest.from)![1].secret;
  return JSON.stringify(signEnvelope(rest, fromHex(secret), new Uint8Array(32)));
}
const lastSent = new Map<string, Envelope[]>();

describe('without any relay', () => {
  test.each<Scheme>(['nip44_v2', 'nip04', 'nip59'])(
    'a wallet takes its seat by files, in its own scheme (%s) and plain',
    async scheme => {
      const wallet = await joined('alex', scheme);
      const [sealed, plain] = [await composedBy(wallet, { form: 'encrypted' }), await composedBy(wallet)];
      expect([sealed, plain].map(([one]) => one?.type)).toEqual(['opt_in', 'opt_in']);
      expect(JSON.parse(sealed[0]!.lines[0]!).kind).toBe({ nip44_v2: 8252, nip04: 4, nip59: 1059 }[scheme]);
      expect(await deliverAll(sealed, daemon.api)).toMatchObject([{ outcome: 'taken', told: ['ack'] }]);
      // The same message in the other form is the same message.
      expect(await deliverAll(plain, daemon.api)).toMatchObject([{ outcome: 'again' }]);
      expect(await deliverAll(sealed, daemon.api)).toMatchObject([{ outcome: 'again' }]);
      expect((await daemon.api.cohortShow({ cohort })).seats.taken).toBe(1);

      const inBoth = [await answers({ form: 'encrypted' }), await answers()];
      expect(JSON.parse(inBoth[0]![0]!.lines[0]!).kind).toBe(JSON.parse(sealed[0]!.lines[0]!).kind);
      expect(inBoth.map(all => all.map(({ id }) => id))).toEqual([[inBoth[0]![0]!.id], [inBoth[0]![0]!.id]]);
      expect(await deliverAll(inBoth[0]!, wallet)).toMatchObject([
        { outcome: 'taken', told: [{ type: 'seated' }, {}] },
      ]);
      expect(await deliverAll(inBoth[1]!, wallet)).toMatchObject([{ outcome: 'again' }]);
      expect(wallet.status().cohorts[0]!.phase).toBe('seated');
      expect(await composedBy(wallet)).toEqual([]);
    },
    60_000,
  );

  test('a request is composed until it is answered, all else once, and again on demand', {
    timeout: 60_000,
  }, async () => {
    const wallet = await joined('alex');
    const [asked] = await composedBy(wallet);
    await wallet.composed({ events: asked!.events });
    expect((await composedBy(wallet)).map(({ id }) => id)).toEqual([asked!.id]);
    await deliverAll([asked!], daemon.api);
    const [ack] = await answers();
    await daemon.api.composed({ events: ack!.events });
    expect(await answers()).toEqual([]);
    expect((await answers({ all: true })).map(({ id }) => id)).toEqual([ack!.id]);
    for (const message of [String(ack!.seq), ack!.id, ack!.id.slice(0, 8)])
      expect(await answers({ message })).toHaveLength(1);
    expect(await answers({ message: 'ffff' })).toEqual([]);
    // The stick was lost: the same request has the same answer composed.
    await deliverAll([asked!], daemon.api);
    expect((await answers()).map(({ id, lines }) => [id, lines])).toEqual([[ack!.id, ack!.lines]]);
    await deliverAll([ack!], wallet);
    expect(await composedBy(wallet)).toEqual([]);
    expect((await composedBy(wallet, { all: true })).map(({ id }) => id)).toEqual([asked!.id]);
  });

  test('a restart forgets neither what waits nor what was taken', { timeout: 60_000 }, async () => {
    const wallet = await joined('alex');
    const composed = await composedBy(wallet);
    await deliverAll(composed, daemon.api);
    await daemon.stop();
    daemon = await startDaemon(config, { log: silent });
    expect(await deliverAll(composed, daemon.api)).toMatchObject([{ outcome: 'again' }]);
    expect(await answers()).toHaveLength(1);
    expect((await daemon.api.status()).hearing).toBe(true);
  });

  test('each side refuses what is not its own, by the field', { timeout: 60_000 }, async () => {
    const [alex, hal] = [await joined('alex'), await joined('hal')];
    for (const [name, wallet] of [
      ['alex', alex],
      ['hal', hal],
    ] as const)
      lastSent.set(
        name,
        (await composedBy(wallet)).map(({ lines }) => JSON.parse(lines[0]!) as Envelope),
      );
    const later = now() + 2_000;
    const { api } = daemon;
    const refusals: [string, object][] = [
      [written('alex', { created_at: later, seq: 7 }), { outcome: 'refused', field: 'created_at' }],
      [written('alex', { to: 'e'.repeat(64) }), { outcome: 'not_ours', field: 'to' }],
      [
        written('alex', { type: 'nonce_lost', body: { session_id: 'a'.repeat(64) } }),
        { outcome: 'refused', field: 'from' },
      ],
      [JSON.stringify({ ...lastSent.get('alex')![0], seq: 9 }), { outcome: 'refused', field: 'sig' }],
      ['{"cut', { outcome: 'refused', field: 'file' }],
    ];
    for (const [text, outcome] of refusals) expect(await api.deliver({ text })).toMatchObject(outcome);
    expect((await api.cohortShow({ cohort })).seats.taken).toBe(0);

    await deliverAll(await composedBy(alex), api);
    await deliverAll(await composedBy(hal), api);
    const all = await answers();
    const forAlex = all.filter(({ to }) => to === lastSent.get('alex')![0]!.from);
    expect((await deliverAll(forAlex, hal))[0]).toMatchObject({ outcome: 'not_ours', field: 'to' });
    expect((await deliverAll(forAlex, api))[0]).toMatchObject({ outcome: 'not_ours', field: 'from' });
    expect((await deliverAll(await composedBy(alex), alex))[0]).toMatchObject({ outcome: 'not_ours', field: 'from' });
    // One wallet cannot speak to another in the aggregator's name, though its signature is right.
    const forged = written('hal', { to: lastSent.get('alex')![0]!.from });
    expect(await alex.deliver({ text: forged, stays: true })).toMatchObject({ outcome: 'refused', field: 'from' });
    expect(alex.status().cohorts[0]!.phase).toBe('asked');
    expect(
      (await answers({ member: lastSent.get('hal')![0]!.from })).every(
        ({ to }) => to === lastSent.get('hal')![0]!.from,
      ),
    ).toBe(true);
  });

  test('a set of keys is refused without a view of the chain, and told as a refusal', { timeout: 60_000 }, async () => {
    const [alex, hal] = [await joined('alex'), await joined('hal')];
    for (const wallet of [alex, hal]) await deliverAll(await composedBy(wallet), daemon.api);
    await daemon.api.advertClose({ advert: cohort, status: 'closed' });
    const to = (await composedBy(alex, { all: true }))[0]!.from;
    const sets = (await answers()).filter(one => one.type === 'cohort_set' && one.to === to);
    expect(sets).toHaveLength(1);
    // In a wrong order, and refused: it is not taken for dealt with, and comes again.
    for (const _ of [1, 2])
      expect(await deliverAll(sets, alex)).toMatchObject([
        { outcome: 'refused', field: 'body', text: expect.stringContaining('cannot see the chain') },
      ]);
  });
});
