import { expect, test } from 'vitest';
import type { Scheme } from '../../src/messages/index.ts';
import { type NostrEvent, unwrapBy, wrapBy } from '../../src/nostr/index.ts';
import { startTestRelay } from '../../src/testing/relay.ts';
import type { Wallet } from '../../src/wallet/client.ts';
import { random, removeDir, startAggregator, startWallet, tempDir, until } from './harness.ts';
import { advertOf, openRawMember, publicKeyOf, randomSecret } from './raw-member.ts';
import { stage } from './stage.ts';

const at = stage();
const KIND: Record<Scheme, number> = { nip44_v2: 8252, nip04: 4, nip59: 1059 };

const to = (event: NostrEvent): string => event.tags.find(tag => tag[0] === 'p')?.[1] ?? '';
const mailTo = (key: string): number[] => [
  ...new Set(
    at.relay
      .events()
      .filter(event => event.kind !== 38252 && to(event) === key)
      .map(event => event.kind),
  ),
];

test('three wallets, three envelopes, one signal; answers come alike, through a restart too', {
  timeout: 120_000,
}, async () => {
  const world = at.world;
  const over = { communication: ['nip44_v2', 'nip04', 'nip59'] as Scheme[] };
  const first = await startAggregator(world, over);
  await first.api.advertCreate({ id: 'envelopes' });
  const { event, document, link, short_link } = await first.api.advertExport({ advert: 'envelopes' });
  await until('the advert', () => at.relay.events().some(({ id }) => id === event.id));
  const { transport_key } = document!;

  // Whatever a wallet was handed, it finds the same advert; none of the three asks its relays for adverts at large.
  const names = ['plain', 'legacy', 'gift'];
  const wallets = await Promise.all(names.map(name => startWallet(world, name)));
  const [plain, legacy, gift] = wallets as [Wallet, Wallet, Wallet];
  const handed = [{ link }, { link: short_link }, { events: [document] }];
  const adverts = await Promise.all(wallets.map((wallet, i) => wallet.discover(handed[i]!)));
  for (const found of adverts) expect(found.map(({ advert }) => advert.event.id)).toEqual([event.id]);
  const [{ advert }] = adverts[0] as [(typeof adverts)[0][0]];
  await expect(plain.discover({ link: link.slice(0, -5) })).rejects.toMatchObject({ code: 'refused' });

  const schemes: Scheme[] = ['nip44_v2', 'nip04', 'nip59'];
  await Promise.all(wallets.map((wallet, i) => wallet.join({ advert, ...(i === 0 ? {} : { scheme: schemes[i]! }) })));
  await Promise.all(wallets.map(wallet => wallet.ready(advert.cohort)));
  const cohort = advert.cohort;
  const { members, beacon_address } = await first.api.cohortShow({ cohort });
  const transports = new Map(members.map(member => [member.participant_pk, member.transport]));
  const transportOf = (wallet: Wallet) => transports.get(wallet.status().cohorts[0]!.participant_pk)!;
  expect(mailTo(transport_key).sort()).toEqual([1059, 4, 8252].sort());

  await at.node.fund(beacon_address!, 100_000);
  await at.node.mine(6);
  const dids = await Promise.all(
    wallets.map(async wallet => {
      const { did } = await wallet.createDid({ kind: 'x', cohort });
      await wallet.register({ did, cohort });
      return did;
    }),
  );

  // The aggregator speaks first after a restart: it has to know from its database how each member speaks.
  await first.stop();
  const second = await startAggregator(world, over);
  await legacy.update({
    did: dids[1]!,
    patch: [{ op: 'add', path: '/alsoKnownAs', value: ['https://legacy.example'] }],
  });
  const show = () => second.api.cohortShow({ cohort });
  await until('the signal', async () => (await show()).rounds[0]?.status?.startsWith('broadcast'), 60_000);
  await at.node.mine(6);
  await until('final', async () => (await show()).rounds[0]?.status?.startsWith('final'));
  await until('resolved', async () => (await legacy.resolve({ did: dids[1]! })).versionId === '2');
  await until('resolved by gift', async () => (await gift.resolve({ did: dids[2]! })).neededSignals.length === 1);

  for (const [i, wallet] of wallets.entries()) expect(mailTo(transportOf(wallet))).toEqual([KIND[schemes[i]!]]);
  // A gift wrap shows neither the wallet's key nor the aggregator's.
  const authors = new Set(at.relay.events().filter(({ kind }) => kind === 1059).map(({ pubkey }) => pubkey)); // biome-ignore format: one line
  expect(authors.size).toBe(at.relay.events().filter(({ kind }) => kind === 1059).length);
  expect(authors.has(transport_key) || authors.has(transportOf(gift))).toBe(false);
  await Promise.all([...wallets.map(wallet => wallet.stop()), second.stop()]);
});

test('a scheme that the advert does not list is not chosen', { timeout: 60_000 }, async () => {
  const quiet = await startTestRelay();
  const world = { dir: tempDir(), node: at.node, relays: [quiet.url] };
  const aggregator = await startAggregator(world);
  await aggregator.api.advertCreate({ id: 'only-ours' });
  const { link } = await aggregator.api.advertExport({ advert: 'only-ours' });
  const wallet = await startWallet(world, 'careful');
  const [found] = await wallet.discover({ link });
  await expect(wallet.join({ advert: found!.advert, scheme: 'nip04' })).rejects.toMatchObject({
    code: 'refused',
    message: 'the advert takes nip44_v2, not nip04',
  });
  expect(wallet.status().cohorts).toEqual([]);
  await Promise.all([wallet.stop(), aggregator.stop()]);
  await quiet.stop();
  removeDir(world.dir);
});

test('the answer takes the scheme of the last message, and an older one that comes late does not turn it back', {
  timeout: 60_000,
}, async () => {
  const world = { dir: tempDir(), node: at.node, relays: [at.relay.url] };
  const over = { communication: ['nip44_v2', 'nip04', 'nip59'] as Scheme[] };
  let aggregator = await startAggregator(world, over);
  const { cohort } = await aggregator.api.advertCreate({ id: 'changing' });
  const { event } = await aggregator.api.advertExport({ advert: 'changing' });
  await until('the advert', () => at.relay.events().some(({ id }) => id === event.id));
  const secret = randomSecret();
  const transport = publicKeyOf(secret).slice(2);
  const advert = advertOf(at.relay, cohort);
  const member = openRawMember(advert, [at.relay.url], { transport: secret });

  /** Sends one message in a scheme, and gives the kind of its answer. */
  async function kindOfAnswer(
    scheme: Scheme,
    message: Parameters<typeof member.draft>[0],
    seq: number,
  ): Promise<number> {
    const envelope = member.draft(message, { seq });
    const createdAt = Math.floor(Date.now() / 1000);
    const outgoing = { plaintext: JSON.stringify(envelope), from: secret, to: advert.terms.transport_key, random };
    const dates = { contextId: cohort, createdAt, expiration: createdAt + 3600 };
    await member.publish(wrapBy(scheme, { ...outgoing, ...dates }, null));
    const isAnswer = (candidate: NostrEvent): boolean => {
      const opened = to(candidate) === transport ? unwrapBy(candidate, secret) : null;
      return opened?.ok === true && JSON.parse(opened.text).in_reply_to === envelope.id;
    };
    return (await until(`an answer by ${scheme}`, () => at.relay.events().find(isAnswer), 10_000)).kind;
  }
  const ask = { type: 'proof_request', body: { beacon_address: 'bcrt1pqqqqqqqqqqqqqqqq', did: 'did:btcr2:k1x' } };

  expect(await kindOfAnswer('nip59', member.optIn(), 1)).toBe(1059);
  expect(await kindOfAnswer('nip04', ask, 5)).toBe(4);
  expect(await kindOfAnswer('nip59', ask, 3)).toBe(4);
  await aggregator.stop();
  aggregator = await startAggregator(world, over);
  expect(await kindOfAnswer('nip59', ask, 4)).toBe(4);
  // What cannot be read has no place in the sequence: it is answered as it came, and nothing is learned from it.
  expect(await kindOfAnswer('nip44_v2', { type: 'proof_request', body: { beacon_address: 7 } }, 9)).toBe(8252);
  expect(await kindOfAnswer('nip59', ask, 2)).toBe(4);
  expect(await kindOfAnswer('nip59', ask, 6)).toBe(1059);
  await member.close();
  await aggregator.stop();
  removeDir(world.dir);
});
