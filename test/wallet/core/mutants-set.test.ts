import { describe, expect, test } from 'vitest';
import { curve } from '#curve';
import { beaconOutput, createMusig } from '../../../src/bitcoin/index.ts';
import { fromHex } from '../../../src/crypto/index.ts';
import { type Body, cohortSetStatement, type Message } from '../../../src/messages/index.ts';
import { draw, drawHex, publicHex, schnorr } from '../../cohort/members.ts';
import { newWorld } from './driver.ts';
import { threeDids } from './given.ts';
import { type Liar, newLiar } from './liar.ts';
import { newWallet, sentOf, somePoint, type Wallet } from './wallet.ts';

type SetBody = Body<'cohort_set'>;
type ReadyBody = Body<'cohort_ready'>;
type AggBody = Body<'aggregated_nonce'>;

interface Given {
  wallet: Wallet;
  liar: Liar;
}

function joined(): Given & { world: ReturnType<typeof newWorld> } {
  const world = newWorld();
  const wallet = newWallet(world, 'ada');
  return { world, wallet, liar: newLiar(world, wallet, 'liar', { cohort_size: { min: 2, max: 3 } }) };
}

/** What comes of a message that may not even be readable. */
function said({ wallet, liar }: Given, message: Message): { text: string; sent: string[]; events: string[] } {
  let envelope: ReturnType<Liar['envelope']>;
  try {
    envelope = liar.envelope(message);
  } catch (error) {
    expect(String(error)).toContain(`an unreadable ${message.type}`);
    return { text: 'unreadable', sent: [], events: [] };
  }
  const { dropped, refused, sent, events } = wallet.receive(envelope);
  return { text: dropped ?? refused ?? 'taken', sent: sent.map(each => each.type), events: events.map(e => e.type) };
}

const stranger = publicHex(draw('stranger'));
const more = publicHex(draw('one more'));
const musig = createMusig(curve);

/** Keys as they should be sorted, and the address that they make. */
function setOf(keys: string[]): Pick<SetBody, 'participant_pubkeys' | 'beacon_address'> {
  const keySet = musig.keySet(keys.map(key => fromHex(key)));
  const participant_pubkeys = keys.toSorted();
  return { participant_pubkeys, beacon_address: beaconOutput(keySet, 'regtest').address };
}

const SETS: [kind: string, change: (body: SetBody, own: string) => object, outcome: RegExp][] = [
  ['advert_id: another', () => ({ advert_id: 'another' }), /is for the advert another/],
  [
    'beacon_address: of other keys',
    (_, own) => ({ beacon_address: setOf([own, stranger]).beacon_address }),
    /the aggregator says/,
  ],
  ['beacon_address: of no key', () => ({ beacon_address: 'bcrt1qother0000000000' }), /the aggregator says/],
  [
    'keys: a key exchanged, the address kept',
    (_, own) => ({ participant_pubkeys: setOf([own, stranger]).participant_pubkeys }),
    /these keys make/,
  ],
  [
    'keys: a key more, the address kept',
    ({ participant_pubkeys }) => ({ participant_pubkeys: [...participant_pubkeys, more].toSorted() }),
    /these keys make/,
  ],
  ['keys: without the own', () => setOf([stranger, more]), /leaves this wallet out/],
  ['keys: too many', (_, own) => setOf([own, stranger, more, publicHex(draw('fourth'))]), /4 members, where 2 to 3/],
  [
    'keys: not sorted',
    ({ participant_pubkeys }) => ({ participant_pubkeys: participant_pubkeys.toReversed() }),
    /not sorted/,
  ],
  ['keys: one twice', (_, own) => ({ participant_pubkeys: [own, own] }), /unusable/],
  [
    'keys: one off the curve',
    (_, own) => ({ participant_pubkeys: [own, `02${'0'.repeat(63)}5`].toSorted() }),
    /unusable/,
  ],
  ['keys: one alone', (_, own) => ({ participant_pubkeys: [own] }), /unreadable/],
  ['keys: one x-only', (_, own) => ({ participant_pubkeys: [own, stranger.slice(2)] }), /unreadable/],
  ['policy: fallback', () => ({ policy: { type: 'fallback' } }), /unreadable/],
  ['policy: with a script', () => ({ policy: { type: 'keypath', leaf: '51' } }), /unreadable/],
  ['attempt: negative', () => ({ attempt: -1 }), /unreadable/],
  ['a field more', () => ({ trusted: true }), /unreadable/],
];

// fault 21
describe('a cohort set with one thing changed', () => {
  test.each(SETS)('%s: is not signed', (_, change, outcome) => {
    const given = joined();
    const { body } = given.liar.set() as { body: SetBody };
    const own = given.wallet.membership(given.liar.cohort).participant_pk;
    const wrong = { ...body, ...change(body, own) };
    expect(wrong).not.toEqual(body);
    const { text, sent, events } = said(given, { type: 'cohort_set', body: wrong } as Message);
    expect(text).toMatch(outcome);
    expect([sent, events]).toEqual([[], []]);
    expect(said(given, { type: 'cohort_set', body }).sent).toEqual(['cohort_set_ack']);
  });

  test('another address under the number of the one that was signed: refused, and the signature stays', () => {
    const given = joined();
    const { body } = given.liar.set() as { body: SetBody };
    said(given, { type: 'cohort_set', body });
    const own = given.wallet.membership(given.liar.cohort).participant_pk;
    const { text, sent } = said(given, { type: 'cohort_set', body: { ...body, ...setOf([own, stranger]) } });
    expect(text).toMatch(/two sets under one number/);
    expect(sent).toEqual([]);
  });

  test('an address with a history, and no view of the chain: refused', () => {
    const given = joined();
    given.world.chain.deposit(given.liar.script, 5_000);
    expect(given.liar.say(given.liar.set()).refused).toMatch(/history/);
    given.wallet.eye = () => null;
    expect(given.liar.say(given.liar.set()).refused).toMatch(/cannot see the chain/);
  });
});

const bit = (hex: string): string => `${hex.slice(0, -1)}${(Number.parseInt(hex.at(-1)!, 16) ^ 1).toString(16)}`;

const READIES: [kind: string, change: (body: ReadyBody, given: Given) => object, outcome: RegExp][] = [
  ['beacon_address: another', () => ({ beacon_address: 'bcrt1qother0000000000' }), /another set/],
  [
    'keys: another',
    ({ participant_pubkeys: [first] }) => ({ participant_pubkeys: [first, stranger].toSorted() }),
    /another set/,
  ],
  [
    'keys: the other way round',
    ({ participant_pubkeys }) => ({ participant_pubkeys: participant_pubkeys.toReversed() }),
    /another set/,
  ],
  [
    'keys: one more',
    ({ participant_pubkeys }) => ({ participant_pubkeys: [...participant_pubkeys, more] }),
    /another set/,
  ],
  ['signatures: one less', ({ signatures: [first] }) => ({ signatures: [first] }), /unreadable/],
  [
    'signatures: one more',
    ({ signatures }) => ({ signatures: [...signatures, signatures[0]] }),
    /one signature a member/,
  ],
  ['signatures: exchanged', ({ signatures }) => ({ signatures: signatures.toReversed() }), /does not verify/],
  ['signatures: one bit of the first', ({ signatures: [a, b] }) => ({ signatures: [bit(a!), b] }), /does not verify/],
  ['signatures: one bit of the last', ({ signatures: [a, b] }) => ({ signatures: [a, bit(b!)] }), /does not verify/],
  ['signatures: zeros', ({ signatures }) => ({ signatures: signatures.map(() => '00'.repeat(64)) }), /does not verify/],
  ...(
    [
      ['aggregator', { aggregator: drawHex('another') }],
      ['terms', { terms_hash: drawHex('others') }],
      ['network', { network: 'signet' as const }],
      ['address', { beacon_address: 'bcrt1qother0000000000' }],
    ] satisfies [string, Partial<Parameters<typeof cohortSetStatement>[0]>][]
  ).map(([what, changes]): (typeof READIES)[number] => [
    `signatures: over another ${what}`,
    ({ signatures, participant_pubkeys, beacon_address }, { wallet, liar }) => {
      const { identity, terms_hash, terms, participant_pk } = wallet.membership(liar.cohort);
      const statement = cohortSetStatement({
        aggregator: identity,
        network: terms.btc_network,
        terms_hash,
        participant_pubkeys,
        beacon_address,
        ...changes,
      });
      const theirs = schnorr(statement, draw('the other member of liar'));
      return { signatures: signatures.map((sig, i) => (participant_pubkeys[i] === participant_pk ? sig : theirs)) };
    },
    /does not verify/,
  ]),
  ['challenge: short', () => ({ challenge: 'ab' }), /unreadable/],
  ['policy: fallback', () => ({ policy: { type: 'fallback' } }), /unreadable/],
  ['advert_id: another', () => ({ advert_id: 'another' }), /is for the advert another/],
  ['a field more', () => ({ attempt: 1 }), /unreadable/],
];

// fault 64
describe('a cohort_ready with one thing changed', () => {
  test.each(READIES)('%s: the cohort does not stand', (_, change, outcome) => {
    const given = joined();
    given.liar.say(given.liar.set());
    const { body } = given.liar.ready() as { body: ReadyBody };
    const wrong = { ...body, ...change(body, given) };
    expect(wrong).not.toEqual(body);
    const { text, sent, events } = said(given, { type: 'cohort_ready', body: wrong } as Message);
    expect(text).toMatch(outcome);
    expect([sent, events]).toEqual([[], []]);
    expect(given.wallet.membership(given.liar.cohort).phase.name).toBe('proposed');
    expect(said(given, { type: 'cohort_ready', body }).events).toEqual(['cohort_ready']);
  });

  test('before a set was signed it is nothing', () => {
    const given = joined();
    expect(said(given, given.liar.ready()).text).toMatch(/while asked/);
  });
});

const OFF = `02${'0'.repeat(63)}5`;

const AGGREGATES: [kind: string, change: (body: AggBody) => object, outcome: RegExp][] = [
  ['session_id: unknown', () => ({ session_id: drawHex('unknown') }), /never checked/],
  ['beacon_address: another', () => ({ beacon_address: 'bcrt1qother0000000000' }), /another beacon/],
  ['agg_nonce: one more', ({ agg_nonce: [pair] }) => ({ agg_nonce: [pair, pair] }), /1 aggregated nonces are due/],
  ['agg_nonce: none', () => ({ agg_nonce: [] }), /unreadable/],
  ['agg_nonce: the first off the curve', ({ agg_nonce: [pair] }) => ({ agg_nonce: [[OFF, pair![1]]] }), /no point/],
  ['agg_nonce: the second off the curve', ({ agg_nonce: [pair] }) => ({ agg_nonce: [[pair![0], OFF]] }), /no point/],
  [
    'agg_nonce: not compressed',
    ({ agg_nonce: [pair] }) => ({ agg_nonce: [[`04${pair![0].slice(2)}`, pair![1]]] }),
    /no point/,
  ],
  [
    'agg_nonce: an odd infinity',
    ({ agg_nonce: [pair] }) => ({ agg_nonce: [[`${'00'.repeat(32)}01`, pair![1]]] }),
    /no point/,
  ],
  [
    'agg_nonce: the field prime',
    ({ agg_nonce: [pair] }) => ({ agg_nonce: [[`02${'f'.repeat(55)}efffffc2f`, pair![1]]] }),
    /no point/,
  ],
  ['agg_nonce: 32 bytes', ({ agg_nonce: [pair] }) => ({ agg_nonce: [[pair![0].slice(2), pair![1]]] }), /unreadable/],
  ['agg_nonce: one point', ({ agg_nonce: [pair] }) => ({ agg_nonce: [[pair![0]]] }), /unreadable/],
  ['a field more', () => ({ hurry: true }), /unreadable/],
];

// fault 20
describe('an aggregated nonce with one thing changed', () => {
  test('is not signed under, and the good one still is; after that no other is', async () => {
    const given = await threeDids();
    const { liar, wallet } = given;
    const [nonce] = sentOf(liar.ask(given.good), 'nonce');
    const good = liar.aggregated(given.good, nonce!.nonce_points[0]!);
    for (const [kind, change, outcome] of AGGREGATES) {
      const body = { ...good.body, ...change(good.body) };
      const { text, sent, events } = said(given, { type: 'aggregated_nonce', body } as Message);
      expect([kind, text]).toEqual([kind, expect.stringMatching(outcome)]);
      expect([kind, sent, events]).toEqual([kind, [], []]);
    }
    const [first] = sentOf(liar.say(good), 'signal_authorization');
    expect(first!.agg_nonce).toEqual(good.body.agg_nonce);
    const second = { ...good.body, agg_nonce: [[somePoint('one'), somePoint('two')]] };
    expect(said(given, { type: 'aggregated_nonce', body: second } as Message)).toMatchObject({
      text: expect.stringContaining('a second aggregated nonce'),
      sent: [],
      events: [],
    });
    for (const [kind, change] of AGGREGATES) {
      const { sent } = said(given, {
        type: 'aggregated_nonce',
        body: { ...good.body, ...change(good.body) },
      } as Message);
      expect([kind, sent]).toEqual([kind, []]);
    }
    expect(wallet.sent.filter(({ type }) => type === 'signal_authorization')).toHaveLength(1);
  });

  test('from another key, or for another cohort, it is dropped', async () => {
    const given = await threeDids();
    const { liar, wallet } = given;
    const [nonce] = sentOf(liar.ask(given.good), 'nonce');
    const good = liar.aggregated(given.good, nonce!.nonce_points[0]!);
    expect(liar.say(good, { from: draw('a stranger') }).dropped).toMatch(/not from the transport key/);
    expect(liar.say(good, { cohort: drawHex('another') }).dropped).toMatch(/no cohort/);
    expect(wallet.sent.filter(({ type }) => type === 'signal_authorization')).toEqual([]);
  });
});
