import { describe, expect, test } from 'vitest';
import { fromHex } from '../../../src/crypto/index.ts';
import { createNonceJar } from '../../../src/wallet/core.ts';
import { draw, drawHex, publicHex } from '../../cohort/members.ts';
import { lied, sign, threeDids } from './given.ts';
import { sentOf, somePoint, typesOf } from './wallet.ts';

const stageOf = ({ wallet, liar }: Awaited<ReturnType<typeof threeDids>>, session: string): string =>
  wallet.beacon(liar.cohort).sessions.get(session)!.stage.name;

// fault 22
describe('one nonce, one signature', () => {
  test('a request that comes again gets the same nonce, never a second one', async () => {
    const given = await threeDids();
    const first = sentOf(given.liar.ask(given.good), 'nonce');
    const second = given.liar.ask(given.good);
    expect(second.events).toEqual([]);
    expect(sentOf(second, 'nonce')).toEqual(first);
    expect(first).toHaveLength(1);
  });

  // fault 20
  test('a second aggregated nonce is refused, before and after the signature', async () => {
    const given = await threeDids();
    const [nonce] = sentOf(given.liar.ask(given.good), 'nonce');
    const [one, two] = [1, 2].map(() => given.liar.aggregated(given.good, nonce!.nonce_points[0]!));
    expect(one!.body.agg_nonce).not.toEqual(two!.body.agg_nonce);

    given.wallet.works = false;
    expect(typesOf(given.liar.say(one!))).toEqual(['agg_nonce_received']);
    expect(given.liar.say(two!).refused).toMatch(/second aggregated nonce/);
    expect(given.liar.say(one!)).toMatchObject({ events: [], effects: [], refused: null });
    const [authorization] = sentOf(given.wallet.work(), 'signal_authorization');
    expect(authorization!.agg_nonce).toEqual(one!.body.agg_nonce);

    expect(given.liar.say(two!).refused).toMatch(/second aggregated nonce/);
    const again = given.liar.say(one!);
    expect(again.events).toEqual([]);
    expect(sentOf(again, 'signal_authorization')).toEqual([authorization]);
    expect(sentOf(given.liar.ask(given.good), 'signal_authorization')).toEqual([authorization]);
  });

  // fault 22
  test('after a restart there is nothing to sign with: the session is lost, and another attempt gets fresh nonces', async () => {
    const given = await threeDids();
    const [nonce] = sentOf(given.liar.ask(given.good), 'nonce');
    given.wallet.restart();
    const agg = given.liar.aggregated(given.good, nonce!.nonce_points[0]!);
    const outcome = given.liar.say(agg);
    expect(sentOf(outcome, 'signal_authorization')).toEqual([]);
    expect(sentOf(outcome, 'nonce_lost')).toEqual([{ session_id: given.good.session_id }]);
    for (const message of [agg, { type: 'authorize_beacon_signal_request', body: given.good } as const]) {
      const again = given.liar.say(message);
      expect(again.events).toEqual([]);
      expect(again.sent.map(sent => sent.type)).toEqual(['nonce_lost']);
    }

    const { nonce: fresh } = sign(given, given.liar.request({ ...given.parts, attempt: 2 }));
    expect(fresh.nonce_points).not.toEqual(nonce!.nonce_points);
  });

  test('a restart before the nonce left draws another one; the first never signs', async () => {
    const given = await threeDids();
    given.wallet.works = false;
    given.liar.ask(given.good);
    given.wallet.restart();
    given.wallet.works = true;
    const [nonce] = sentOf(given.wallet.work(), 'nonce');
    const outcome = given.liar.say(given.liar.aggregated(given.good, nonce!.nonce_points[0]!));
    expect(sentOf(outcome, 'signal_authorization')).toHaveLength(1);
  });

  // fault 22
  test('a restart after the signature sends the same bytes again', async () => {
    const given = await threeDids();
    const { agg, authorization } = sign(given, given.good);
    given.wallet.restart();
    const again = given.liar.say(agg);
    expect(sentOf(again, 'signal_authorization')).toEqual([authorization]);
  });

  test('another session takes over: what was checked, had a nonce or was about to be signed, is lost', async () => {
    const given = await threeDids();
    const requests = [1, 2, 3].map(attempt => given.liar.request({ ...given.parts, attempt }));
    given.wallet.works = false;
    given.liar.ask(requests[0]!);
    given.liar.ask(requests[1]!);
    expect(stageOf(given, requests[0]!.session_id)).toBe('lost');
    const [nonce] = sentOf(given.wallet.work(), 'nonce');
    const agg = given.liar.aggregated(requests[1]!, nonce!.nonce_points[0]!);
    given.liar.say(agg);
    expect(stageOf(given, requests[1]!.session_id)).toBe('to_sign');
    given.liar.ask(requests[2]!);
    expect(stageOf(given, requests[1]!.session_id)).toBe('lost');

    // The signature that a job was busy with comes too late.
    const { cohort } = given.liar;
    const { session_id } = requests[1]!;
    expect(given.wallet.feed({ type: 'signed', cohort, session_id, sig: ['11'.repeat(32)] }).dropped).toBe(
      'no session waits for a signature',
    );
    expect(sentOf(given.liar.say(agg), 'nonce_lost')).toHaveLength(1);
  });

  test('a nonce that was drawn twice, or for no session, is dropped', async () => {
    const given = await threeDids();
    given.liar.ask(given.good);
    for (const session_id of [given.good.session_id, drawHex('none')])
      expect(
        given.wallet.feed({
          type: 'nonce_drawn',
          cohort: given.liar.cohort,
          session_id,
          nonce_points: [[somePoint('a'), somePoint('b')]],
        }).dropped,
      ).toBe('no session waits for a nonce');
  });

  // fault 20
  test('an aggregated nonce is refused that is no point, is of another number, another beacon, or comes too early', async () => {
    const given = await threeDids();
    const { liar, wallet, good } = given;
    const pair: [string, string] = [somePoint('a'), somePoint('b')];
    const say = (change: object) =>
      liar.say({
        type: 'aggregated_nonce',
        body: { session_id: good.session_id, beacon_address: liar.address, agg_nonce: [pair], ...change },
      });
    expect(say({}).dropped).toMatch(/never checked/);
    wallet.works = false;
    liar.ask(good);
    expect(say({}).dropped).toMatch(/before this wallet sent its own/);
    wallet.work();
    expect(say({ agg_nonce: [[pair[0], `02${'ff'.repeat(32)}`]] }).refused).toMatch(/no point/);
    expect(say({ agg_nonce: [pair, pair] }).refused).toMatch(/1 aggregated nonces are due/);
    expect(say({ beacon_address: 'bcrt1qother0000000000' }).refused).toMatch(/another beacon/);
    expect(stageOf(given, good.session_id)).toBe('nonce_sent');
  });

  test('an aggregated nonce of infinity is one, and is signed under once', async () => {
    const given = await threeDids();
    given.liar.ask(given.good);
    const outcome = given.liar.say({
      type: 'aggregated_nonce',
      body: {
        session_id: given.good.session_id,
        beacon_address: given.liar.address,
        agg_nonce: [['00'.repeat(33), '00'.repeat(33)]],
      },
    });
    expect(sentOf(outcome, 'signal_authorization')).toHaveLength(1);
  });
});

describe('the jar', () => {
  const keys = [draw('jar a'), draw('jar b')];
  const participant_pubkeys = keys.map(publicHex).sort();
  const message = draw('message');
  let drawn = 0;
  const request = {
    secretKey: keys[0]!,
    participant_pk: publicHex(keys[0]!),
    participant_pubkeys,
    messages: [message],
    random: () => draw(`jar random ${drawn++}`),
  };
  const agg_nonce: [string, string][] = [[somePoint('a'), somePoint('b')]];

  test('signs once', () => {
    const jar = createNonceJar();
    jar.draw('session', request);
    expect(jar.sign('session', { ...request, agg_nonce })).toHaveLength(1);
    expect(jar.has('session')).toBe(false);
    expect(() => jar.sign('session', { ...request, agg_nonce })).toThrow(/no nonces/);
  });

  test('forgets the nonces when signing fails, whatever the reason', () => {
    const other = { ...request, messages: [draw('another message')], agg_nonce };
    const failing = [
      other,
      { ...request, messages: [], agg_nonce: [] },
      { ...request, agg_nonce: [] },
      { ...request, agg_nonce: [['02', 'zz']] as [string, string][] },
      { ...request, agg_nonce, secretKey: keys[1]! },
      { ...request, agg_nonce, participant_pubkeys: [...participant_pubkeys, publicHex(draw('jar c'))] },
      { ...request, agg_nonce, participant_pubkeys: [] },
    ];
    for (const wrong of failing) {
      const jar = createNonceJar();
      jar.draw('session', request);
      expect(() => jar.sign('session', wrong)).toThrow();
      expect(jar.has('session')).toBe(false);
      expect(() => jar.sign('session', { ...request, agg_nonce })).toThrow(/no nonces/);
    }
  });

  test('draws no second nonce for a session, and none for a stranger', () => {
    const jar = createNonceJar();
    jar.draw('session', request);
    expect(() => jar.draw('session', request)).toThrow(/already/);
    expect(() => jar.draw('other', { ...request, secretKey: keys[1]! })).toThrow();
    expect(jar.has('other')).toBe(false);
  });

  test('a generator that repeats itself signs once for all jars', () => {
    const stuck = { ...request, random: () => draw('stuck generator') };
    const [one, two] = [createNonceJar(), createNonceJar()];
    expect(one.draw('session', stuck)).toEqual(two.draw('session', stuck));
    one.sign('session', { ...request, agg_nonce });
    expect(() => two.sign('session', { ...request, agg_nonce })).toThrow(/signs once/);
  });

  test('cannot be filled from outside, nor read', () => {
    const jar = createNonceJar();
    const [pair] = jar.draw('session', request);
    expect(Object.keys(jar).sort()).toEqual(['draw', 'forget', 'has', 'sign']);
    expect(JSON.stringify(jar)).toBe('{}');
    expect(pair!.map(point => fromHex(point).length)).toEqual([33, 33]);
    jar.forget('session');
    expect(() => jar.sign('session', { ...request, agg_nonce })).toThrow(/no nonces/);
  });
});

test('a wallet without DIDs signs what it can check, and keeps no evidence that nobody verified', () => {
  const given = lied();
  const body = given.liar.request({ outpoint: given.outpoint, leaves: ['did:btcr2:stranger'] });
  const { authorization } = sign(given, body);
  expect(given.world.chain.submit(given.liar.complete(body, authorization))).toBe(true);
  const kept = given.wallet.beacon(given.liar.cohort).signals.get(body.signal_bytes)!;
  expect([kept.proofs.size, kept.map]).toEqual([0, null]);
});
