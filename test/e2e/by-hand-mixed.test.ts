import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Regtest, startRegtest } from '../../src/testing/regtest.ts';
import { startTestRelay, type TestRelay } from '../../src/testing/relay.ts';
import { removeDir, startAggregator, startWallet, tempDir, until } from './harness.ts';

let node: Regtest;
let relay: TestRelay;
const dir = tempDir();
beforeAll(async () => {
  node = await startRegtest();
  relay = await startTestRelay();
}, 180_000);
afterAll(async () => {
  await relay?.stop();
  await node?.stop();
  removeDir(dir);
});

test('a message that goes by relay and by file is one message, and plain never changes what relays carry', {
  timeout: 240_000,
}, async () => {
  const world = { dir, node, relays: [relay.url] };
  const aggregator = await startAggregator(world, {
    cohort_size: { min: 2, max: 2 },
    communication: ['nip44_v2', 'nip59'],
    latency: { cohort_set: 600, presence: 600, nonce: 600, signature: 600 },
  });
  const { cohort } = await aggregator.api.advertCreate({});
  const alexis = await startWallet(world, 'alexis');
  const satoshi = await startWallet(world, 'satoshi');
  for (const [wallet, scheme] of [
    [alexis, 'nip44_v2'],
    [satoshi, 'nip59'],
  ] as const) {
    const advert = await until('the advert', async () => (await wallet.discover())[0]?.advert);
    await wallet.join({ advert, scheme });
  }
  for (const wallet of [alexis, satoshi]) await wallet.ready(cohort);

  // Everything went over the relay, so nothing waits for a file; all of it can be had all the same.
  expect(await alexis.compose({ form: 'encrypted' })).toEqual([]);
  expect(await aggregator.api.compose({ cohort, form: 'encrypted' })).toEqual([]);
  const before = await aggregator.api.cohortShow({ cohort });
  for (const wallet of [alexis, satoshi])
    for (const form of ['encrypted', 'plain'] as const) {
      const sent = await wallet.compose({ form, all: true });
      expect(sent.map(({ type }) => type)).toEqual(expect.arrayContaining(['opt_in', 'cohort_set_ack']));
      const { lines } = sent.find(({ type }) => type === 'opt_in')!;
      expect(lines).toHaveLength(1);
      expect(await aggregator.api.deliver({ text: lines[0]! })).toMatchObject({ outcome: 'again' });
    }
  expect((await aggregator.api.cohortShow({ cohort })).members).toEqual(before.members);

  // Whoever spoke by file is answered by file too: the stored answer, in either form.
  for (const wallet of [alexis, satoshi]) {
    const transport = (await wallet.compose({ form: 'plain', all: true }))[0]!.from;
    const composed = await aggregator.api.compose({ cohort, form: 'plain', member: transport });
    const ack = composed.find(({ type }) => type === 'ack')!;
    const sealed = await aggregator.api.compose({ cohort, form: 'encrypted', member: transport, message: ack.id });
    expect(sealed.map(({ id }) => id)).toEqual([ack.id]);
    for (const text of [...ack.lines, ...sealed[0]!.lines]) {
      const { outcome } = await wallet.deliver({ text, stays: true });
      expect(['taken', 'again', 'idle']).toContain(outcome);
    }
    expect(await wallet.deliver({ text: ack.lines[0]!, stays: true })).toMatchObject({ outcome: 'again' });
    await aggregator.api.composed({ events: composed.flatMap(({ events }) => events) });
    const left = await aggregator.api.compose({ cohort, form: 'plain', member: transport });
    expect(left.map(({ id }) => id)).not.toContain(ack.id);
    // Another wallet, and another cohort's operator, have no use for it.
    const other = wallet === alexis ? satoshi : alexis;
    expect(await other.deliver({ text: ack.lines[0]!, stays: true })).toMatchObject({
      outcome: 'not_ours',
      field: 'to',
    });
    expect(await aggregator.api.deliver({ text: ack.lines[0]! })).toMatchObject({ outcome: 'not_ours', field: 'from' });
  }

  // A plain request moves the cohort on, and what relays carry stays in the scheme that was agreed.
  const { did } = await alexis.createDid({ kind: 'x', cohort });
  await relay.stop();
  const asking = alexis.register({ did, cohort }).catch((error: unknown) => error);
  const request = await until('the request', async () =>
    (await alexis.compose({ form: 'plain' })).find(({ type }) => type === 'did_registration'),
  );
  expect(await aggregator.api.deliver({ text: request.lines[0]! })).toMatchObject({ outcome: 'taken', told: ['ack'] });
  const answers = await aggregator.api.compose({ cohort, form: 'encrypted', member: request.from });
  expect(answers.every(({ lines }) => lines.every(line => JSON.parse(line).kind === 8252))).toBe(true);
  for (const { lines } of answers) for (const text of lines) await alexis.deliver({ text, stays: true });
  expect(await asking).toMatchObject({ did, proven: true });
  expect(JSON.stringify(relay.events())).not.toContain(did);

  await alexis.stop();
  await satoshi.stop();
  await aggregator.stop();
});
