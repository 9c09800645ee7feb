import { describe, expect, test } from 'vitest';
import { cohortSetStatement, type Message, type Terms } from '../../../src/messages/index.ts';
import type { Membership } from '../../../src/wallet/core.ts';
import { draw, drawHex, publicHex, schnorr } from '../../cohort/members.ts';
import { newWorld } from './driver.ts';
import { newLiar } from './liar.ts';
import { newWallet, sentOf, typesOf } from './wallet.ts';

function joined(changes: Partial<Terms> = {}, name = 'liar') {
  const world = newWorld();
  const wallet = newWallet(world, 'ada');
  const liar = newLiar(world, wallet, name, changes);
  const phase = () => wallet.membership(liar.cohort).phase;
  return { world, wallet, liar, phase };
}

const ended: Message = { type: 'rejection', body: { code: 'seat_dropped', text: 'not heard' } };

describe('a set', () => {
  test('that is right is signed, once, and sent again when it comes again', () => {
    const { wallet, liar, phase } = joined();
    const [ack] = sentOf(liar.say(liar.set()), 'cohort_set_ack');
    expect(ack).toMatchObject({ beacon_address: liar.address, attempt: 1 });
    const again = liar.say(liar.set());
    expect([again.events, sentOf(again, 'cohort_set_ack')]).toEqual([[], [ack]]);
    expect(phase()).toMatchObject({ name: 'proposed', sig: ack!.sig });
    wallet.restart();
    expect(sentOf(liar.say(liar.set()), 'cohort_set_ack')).toEqual([ack]);
  });

  const twice = ({ participant_pk }: Membership) => [participant_pk, participant_pk];
  const stranger = publicHex(draw('stranger'));
  type Changes = Parameters<ReturnType<typeof joined>['liar']['set']>[0];
  const wrong: [string, RegExp, (given: ReturnType<typeof joined>) => Changes][] = [
    [
      'without this wallet',
      /leaves this wallet out/,
      () => ({ participant_pubkeys: [stranger, publicHex(draw('x'))] }),
    ],
    ['in another order', /not sorted/, ({ liar }) => ({ participant_pubkeys: liar.keys.toReversed() })],
    ['with another address', /these keys make/, () => ({ beacon_address: 'bcrt1qother0000000000' })],
    ['of another advert', /for the advert/, () => ({ advert_id: 'another' })],
    ['that is too large', /3 members/, ({ liar }) => ({ participant_pubkeys: [...liar.keys, stranger] })],
    [
      'with a key twice',
      /unusable/,
      ({ wallet, liar }) => ({ participant_pubkeys: twice(wallet.membership(liar.cohort)) }),
    ],
    [
      'with a key that is no point',
      /unusable/,
      ({ wallet, liar }) => ({
        participant_pubkeys: [wallet.membership(liar.cohort).participant_pk, `02${'ff'.repeat(32)}`],
      }),
    ],
  ];
  test.each(wrong)('%s is refused', (_, why, change) => {
    const given = joined();
    const outcome = given.liar.say(given.liar.set(change(given)));
    expect(outcome.refused).toMatch(why);
    expect(given.phase().name).toBe('asked');
  });

  test('that is too small is refused', () => {
    const { liar } = joined({ cohort_size: { min: 3, max: 5 } });
    expect(liar.say(liar.set()).refused).toMatch(/2 members, where 3 to 5/);
  });

  // fault 63
  test('whose address has a history is refused: a key was used before', () => {
    const { world, liar } = joined();
    world.chain.deposit(liar.script, 1_000);
    expect(liar.say(liar.set()).refused).toMatch(/history/);
  });

  test('is not signed by a wallet that cannot see the chain', () => {
    const { wallet, liar } = joined();
    wallet.eye = () => null;
    expect(liar.say(liar.set()).refused).toMatch(/cannot see the chain/);
  });

  test('is one for each number; a higher number replaces it, a lower one is old', () => {
    const { wallet, liar, phase } = joined({ cohort_size: { min: 2, max: 3 } });
    const { participant_pk } = wallet.membership(liar.cohort);
    const third = newLiar({ now: 0, chain: newWorld().chain }, newWallet(newWorld(), 'other'), 'other');
    liar.say(liar.set({ attempt: 2 }));
    const other = { participant_pubkeys: [participant_pk, third.keys[0]!].sort() };
    expect(liar.say(liar.set({ attempt: 2, ...other })).refused).toMatch(/two sets under one number/);
    expect(liar.say(liar.set({ attempt: 2, beacon_address: third.address })).refused).toMatch(/two sets/);
    expect(liar.say(liar.set({ attempt: 1 })).dropped).toMatch(/older/);
    const [ack] = sentOf(liar.say(liar.set({ attempt: 3 })), 'cohort_set_ack');
    expect(ack!.attempt).toBe(3);
    expect(phase()).toMatchObject({ name: 'proposed', set: { attempt: 3 } });
  });

  test('is not answered with the signature of an earlier one that took too long', () => {
    const { wallet, liar, phase } = joined();
    wallet.works = false;
    liar.say(liar.set());
    const { cohort } = liar;
    for (const sig of [
      '00'.repeat(64),
      schnorr(draw('another statement'), draw(`cohort key of ada in ${cohort}`)),
      'x',
    ])
      expect(wallet.feed({ type: 'set_signed', cohort, sig }).dropped).toMatch(/not a signature/);
    expect(phase()).toMatchObject({ sig: null });
    expect(sentOf(wallet.work(), 'cohort_set_ack')).toHaveLength(1);
    expect(wallet.feed({ type: 'set_signed', cohort, sig: '00'.repeat(64) }).dropped).toMatch(/no set waits/);
  });
});

describe('cohort_ready', () => {
  test('counts when every member signed this set', () => {
    const { liar, wallet } = joined();
    liar.say(liar.set());
    expect(typesOf(liar.say(liar.ready()))).toEqual(['cohort_ready']);
    expect(wallet.beacon(liar.cohort)).toMatchObject({ beacon_address: liar.address, participant_pubkeys: liar.keys });
    expect(liar.say(liar.ready()).dropped).toMatch(/is ready/);
    expect(liar.say(liar.set({ attempt: 2 })).dropped).toMatch(/while ready/);
  });

  test('before the wallet signed is dropped', () => {
    const { liar, wallet, phase } = joined();
    expect(liar.say(liar.ready()).dropped).toMatch(/while asked/);
    wallet.works = false;
    liar.say(liar.set());
    expect(liar.say(liar.ready()).dropped).toMatch(/while proposed/);
    expect(phase().name).toBe('proposed');
  });

  const otherTerms = ({ liar, wallet }: ReturnType<typeof joined>): string => {
    const { identity, terms } = wallet.membership(liar.cohort);
    const statement = cohortSetStatement({
      aggregator: identity,
      network: terms.btc_network,
      terms_hash: drawHex('a forked advert'),
      participant_pubkeys: liar.keys,
      beacon_address: liar.address,
    });
    return schnorr(statement, draw('the other member of liar'));
  };
  const bad: [string, RegExp, (given: ReturnType<typeof joined>) => object][] = [
    ['with a bad signature', /does not verify/, () => ({ signatures: ['00'.repeat(64), '00'.repeat(64)] })],
    [
      'with the signatures of the members swapped',
      /does not verify/,
      ({ liar }) => ({ signatures: (liar.ready().body as { signatures: string[] }).signatures.toReversed() }),
    ],
    [
      'whose other member agreed to other terms',
      /does not verify/,
      given => {
        const { liar, wallet } = given;
        const { participant_pk } = wallet.membership(liar.cohort);
        const own = (liar.ready().body as { signatures: string[] }).signatures;
        return { signatures: liar.keys.map((key, i) => (key === participant_pk ? own[i]! : otherTerms(given))) };
      },
    ],
    ['with a signature too many', /one signature a member/, () => ({ signatures: Array(3).fill('00'.repeat(64)) })],
    ['for another address', /another set/, () => ({ beacon_address: 'bcrt1qother0000000000' })],
    ['for other keys', /another set/, ({ liar }) => ({ participant_pubkeys: liar.keys.toReversed() })],
  ];
  test.each(bad)('%s is refused', (_, why, change) => {
    const given = joined();
    given.liar.say(given.liar.set());
    expect(given.liar.say(given.liar.ready(change(given))).refused).toMatch(why);
    expect(given.phase().name).toBe('proposed');
  });
});

describe('who speaks', () => {
  // fault 64
  test('a message from another key than the one in the agreed advert is dropped, of every kind', () => {
    const { liar, phase } = joined();
    const from = draw('a forked advert names another key');
    const { wallet } = joined();
    expect(liar.say(liar.set(), { from }).dropped).toMatch(/not from the transport key/);
    expect(liar.say(ended, { from }).dropped).toMatch(/not from the transport key/);
    expect(phase().name).toBe('asked');
    expect(wallet.log.map(event => event.type)).toEqual(['joined', 'asked']);
  });

  test('a message for another cohort, or to another key, is dropped', () => {
    const { liar } = joined();
    expect(liar.say(liar.set(), { cohort: drawHex('another advert event') }).dropped).toMatch(/no cohort/);
  });

  test('before the cohort stands there is nothing to sign', () => {
    const { liar } = joined();
    const body = { beacon_address: liar.address, round: 1, attempt: 1 };
    expect(liar.say({ type: 'presence', body }).dropped).toMatch(/not ready/);
    const outpoint = { txid: drawHex('x'), vout: 0, value_sats: 100_000 };
    expect(liar.ask(liar.request({ outpoint })).dropped).toMatch(/not ready/);
  });

  test('what only participants send is dropped', () => {
    const { liar } = joined();
    liar.form();
    expect(liar.say({ type: 'leave', body: { participant_pk: liar.keys[0]!, reason: '' } }).dropped).toMatch(
      /for participants/,
    );
  });
});

describe('leaving', () => {
  const left: Message = { type: 'ack', body: { accepted: 'leave' } };

  test('the aggregator cannot say that the wallet left: what is kept for ever hangs on it', () => {
    const { liar, wallet } = joined();
    expect(liar.say(left).dropped).toMatch(/nobody asked/);
    liar.form();
    expect(liar.say(left).dropped).toMatch(/nobody asked/);
    expect(liar.say(ended).refused).toMatch(/seat_dropped/);
    expect(wallet.beacon(liar.cohort).beacon_address).toBe(liar.address);
  });

  test('a seat is given back before the cohort stands', () => {
    const { liar, wallet, phase } = joined();
    const [asked] = wallet.feed({ type: 'leave', cohort: liar.cohort, reason: 'too slow' }).sent;
    liar.say(left, { in_reply_to: asked!.id });
    expect(phase()).toEqual({ name: 'ended', reason: 'left' });
    expect(liar.say(liar.set()).dropped).toMatch(/while ended/);
  });

  test('an acknowledgement that comes after the cohort stands is of a word only: the membership goes on', () => {
    const { liar, wallet, phase } = joined();
    liar.say(liar.set());
    const [asked] = wallet.feed({ type: 'leave', cohort: liar.cohort, reason: 'too slow' }).sent;
    liar.say(liar.ready());
    expect(liar.say(left, { in_reply_to: asked!.id }).events).toMatchObject([{ type: 'leaving_told' }, {}]);
    expect(phase().name).toBe('ready');
  });

  test('a refusal to let go is an answer: it is not asked again and again', () => {
    const { liar, wallet } = joined();
    const [asked] = wallet.feed({ type: 'leave', cohort: liar.cohort, reason: 'too slow' }).sent;
    const body = { code: 'wrong_phase' as const, text: 'the cohort is formed' };
    liar.say({ type: 'rejection', body }, { in_reply_to: asked!.id });
    expect(wallet.state.asked.has(asked!.id)).toBe(false);
  });

  test.each(['cohort_full', 'advert_closed'] as const)('an opt-in that is refused (%s) ends the membership', code => {
    const { liar, wallet, phase } = joined();
    const [optIn] = wallet.sent;
    liar.say({ type: 'rejection', body: { code, text: 'no' } }, { in_reply_to: optIn!.id });
    expect(phase()).toEqual({ name: 'ended', reason: `${code}: no` });
    expect(wallet.state.asked.size).toBe(0);
  });

  test('a seat that is dropped is gone', () => {
    const { liar, phase } = joined();
    liar.say({
      type: 'ack',
      body: { accepted: 'opt_in', participant_pubkey: liar.keys[0]!, seats: { taken: 1, min: 2, max: 2 } },
    });
    expect(phase().name).toBe('seated');
    liar.say(ended);
    expect(phase().name).toBe('ended');
  });
});

function joinAgain(wallet: ReturnType<typeof joined>['wallet'], cohort: string) {
  const { terms, terms_hash, identity } = wallet.membership(cohort);
  return {
    type: 'join' as const,
    cohort,
    advert_event: {},
    terms,
    terms_hash,
    identity,
    relays: [],
    transport: drawHex('fresh'),
    opt_in: {
      advert_id: terms.id,
      terms_hash,
      participant_pubkey: publicHex(draw('fresh')),
      return_interact: '',
      proof: '00'.repeat(64),
    },
  };
}

// fault 63
test('a cohort is joined once, and no key serves in two', () => {
  const { wallet, liar } = joined();
  const { transport, participant_pk } = wallet.membership(liar.cohort);
  const input = joinAgain(wallet, liar.cohort);
  expect(wallet.feed(input).refused).toMatch(/joined that cohort already/);
  const other = { ...input, cohort: drawHex('another') };
  expect(wallet.feed({ ...other, transport }).refused).toMatch(/used in cohort/);
  const reused = { ...other.opt_in, participant_pubkey: participant_pk };
  expect(wallet.feed({ ...other, opt_in: reused }).refused).toMatch(/used in cohort/);
});

test('whoever lost its seat before the cohort stood asks for another, with fresh keys', () => {
  const { wallet, liar, phase } = joined();
  const { transport } = wallet.membership(liar.cohort);
  liar.say(ended);
  expect(phase().name).toBe('ended');
  const agreed = wallet.membership(liar.cohort);
  expect(wallet.feed({ ...joinAgain(wallet, liar.cohort), transport }).refused).toMatch(/used in cohort/);
  const outcome = wallet.join(agreed);
  expect(sentOf(outcome, 'opt_in')).toHaveLength(1);
  expect(phase().name).toBe('asked');
  wallet.restart();
  expect(phase().name).toBe('asked');
  expect(wallet.membership(liar.cohort).transport).not.toBe(transport);
});
