import { afterEach, describe, expect, test } from 'vitest';
import { curve } from '#curve';
import {
  buildSignal,
  buildSpend,
  fallbackVsize,
  finalizeRecovery,
  leafSighash,
  readSignalPsbt,
} from '../../../src/bitcoin/index.ts';
import { treeKeysOf, treeOf } from '../../../src/cohort/keys.ts';
import { fromHex, toHex } from '../../../src/crypto/index.ts';
import { type Body, type Envelope, type Message, type Terms, xOnlyOf } from '../../../src/messages/index.ts';
import { openSessions } from '../../../src/wallet/core.ts';
import { cohortViews } from '../../../src/wallet/views.ts';
import { addService, draw, drawHex, updateOf, xOnly } from '../../cohort/members.ts';
import { deliver, form, newOffer, newOwned, newScene, register, START, submit } from '../../protocol/scene.ts';
import { type Outcome, sealed, sentOf, updateState, type Wallet } from './wallet.ts';

type Request = Body<'fallback_authorization_request'>;

const POLICY = {
  type: 'fallback',
  threshold: 'n-1',
  recovery_key: xOnly(draw('recovery key')),
  recovery_delay_blocks: 144,
} as const;
const TERMS: Partial<Terms> = { policy: POLICY, cohort_size: { min: 3, max: 3 } };

let scenes = 0;
const restartable: Wallet[] = [];
afterEach(() => {
  for (const wallet of restartable.splice(0)) wallet.restart();
});

/** A round in which everybody has sent its nonces, and the aggregated nonce reached the wallets that `hears`. */
async function overdue(hears: readonly string[] = ['ada', 'bob'], changes: Partial<Terms> = {}) {
  const offer = await newOffer(`wallet-fallback-${scenes++}`, { ...TERMS, ...changes });
  const scene = newScene(offer, ['ada', 'bob', 'eve']);
  const [ada, bob, eve] = scene.wallets as [Wallet, Wallet, Wallet];
  form(scene);
  const one = newOwned(scene, ada, 'one');
  register(scene, ada, one);
  await submit(scene, ada, one);
  const deaf = scene.wallets.filter(({ name }) => !hears.includes(name)).map(w => w.membership(scene.cohort).transport);
  deliver(scene, envelope => envelope.type === 'aggregated_nonce' && deaf.includes(envelope.to));
  scene.aggregator.mail = [];
  const [session] = [...ada.beacon(scene.cohort).sessions.values()];
  restartable.push(ada);
  return { scene, ada, bob, eve, one, session: session! };
}

type Given = Awaited<ReturnType<typeof overdue>>;

/** What a lying aggregator may send: the request, with whatever is changed. */
function request({ scene, ada, session }: Given, changes: Partial<Request> = {}, parts: Forged = {}): Request {
  const { beacon_address, script_hex } = ada.beacon(scene.cohort);
  const { psbt } = buildSignal({
    prevout: session.outpoint,
    scriptHex: script_hex,
    signalBytes: fromHex(session.signal_bytes),
    feeSats: 300,
    ...parts,
  });
  return { session_id: session.session_id, beacon_address, pending_beacon_signal: [psbt], ...changes };
}

type Forged = Partial<Parameters<typeof buildSignal>[0]>;

let seq = 1_000;
function say({ scene }: Pick<Given, 'scene'>, to: Wallet, message: Message): Outcome {
  const envelope = sealed(
    { secret: scene.offer.transport },
    {
      message,
      to: to.membership(scene.cohort).transport,
      cohort: scene.cohort,
      seq: seq++,
      created_at: scene.world.now,
    },
  );
  return to.receive(envelope);
}

const ask = (given: Given, body: Request, to = given.ada): Outcome =>
  say(given, to, { type: 'fallback_authorization_request', body });
const vetoOf = (outcome: Outcome) => sentOf(outcome, 'veto')[0]?.code;

describe('an advert with a fallback policy', () => {
  test('is refused unless the owner agreed to just that', async () => {
    const offer = await newOffer('wallet-fallback-refused', TERMS);
    const scene = newScene(offer, ['ada']);
    const [ada] = scene.wallets as [Wallet];
    expect(ada.join(offer.advert).refused).toMatch(/^fallback_not_allowed: .*destroy every DID/);
    expect(ada.state.cohorts.size).toBe(0);
    ada.join(offer.advert, { allow_fallback: true });
    expect(ada.membership(scene.cohort).phase.name).toBe('asked');
  });

  test('makes a set that is refused under any other policy than the one of the terms', async () => {
    const offer = await newOffer('wallet-fallback-sets', TERMS);
    const scene = newScene(offer, ['ada', 'bob', 'eve']);
    const [ada] = scene.wallets as [Wallet];
    for (const wallet of scene.wallets) wallet.join(offer.advert, { allow_fallback: true });
    deliver(scene, envelope => envelope.type === 'cohort_set');
    const set = scene.aggregator.mail.find(({ type }) => type === 'cohort_set') as Extract<
      Envelope,
      { type: 'cohort_set' }
    >;
    const due = { ...POLICY, threshold: 2 };
    expect(set.body.policy).toEqual(due);
    for (const policy of [
      { type: 'keypath' as const },
      { ...due, threshold: 3 },
      { ...due, recovery_key: xOnly(draw('thief')) },
      { ...due, recovery_delay_blocks: 145 },
    ])
      expect(say({ scene }, ada, { type: 'cohort_set', body: { ...set.body, policy } }).refused).toMatch(/policy/);
    expect(sentOf(say({ scene }, ada, { type: 'cohort_set', body: set.body }), 'cohort_set_ack')).toHaveLength(1);
  });
});

describe('a fallback', () => {
  test('is signed once the key path had its time: by the cohort key, over the leaf’s sighash; and sent again as it is', async () => {
    const given = await overdue();
    const { scene, ada, one, session } = given;
    scene.world.now += 3_600;
    const body = request(given);
    const [signed] = sentOf(ask(given, body), 'fallback_signature');
    const { unsignedHex, txid } = readSignalPsbt(body.pending_beacon_signal[0]!);
    expect(signed).toMatchObject({ session_id: session.session_id, txids: [txid] });
    const { participant_pubkeys, script_hex, policy } = ada.beacon(scene.cohort);
    const spent = { scriptHex: script_hex, valueSats: session.outpoint.value_sats };
    const message = leafSighash(unsignedHex, spent, treeOf(participant_pubkeys, policy)!.fallback);
    const key = fromHex(xOnlyOf(ada.membership(scene.cohort).participant_pk));
    expect(curve.verifySchnorr(message, key, fromHex(signed!.sig[0]!))).toBe(true);
    expect(updateState(ada, one.did)).toEqual(['locked']);
    const events = ada.log.length;
    ada.restart();
    expect(sentOf(ask(given, body), 'fallback_signature')).toEqual([signed]);
    expect(ada.log).toHaveLength(events);
  });

  test('is signed by a wallet that never signed the key path, and from then on only this outpoint and these bytes', async () => {
    const given = await overdue(['bob']);
    const { scene, ada, one, session } = given;
    scene.world.now += 3_600;
    ada.restart();
    ada.feed({ type: 'nonce_lost', cohort: scene.cohort, session_id: session.session_id });
    expect(openSessions(ada.beacon(scene.cohort))).toEqual([]);
    expect(sentOf(ask(given, request(given)), 'fallback_signature')).toHaveLength(1);
    expect(updateState(ada, one.did)).toEqual(['locked']);
    expect(openSessions(ada.beacon(scene.cohort)).map(open => open.session_id)).toEqual([session.session_id]);
    ada.look(scene.cohort);
    expect(updateState(ada, one.did)).toEqual(['locked']);
    const rival = await updateOf(one, addService('rival'));
    const outcome = ada.submit(one, rival, one.document, [scene.cohort]);
    expect(outcome.refused).toMatch(/version 2 has the update .* locked/);
    // Six blocks after something else spent it, the session is over for this wallet too.
    const { script_hex } = ada.beacon(scene.cohort);
    const elsewhere = buildSpend({ prevout: session.outpoint, scriptHex: script_hex, toHex: script_hex, feeSats: 300 });
    scene.world.chain.submit(elsewhere.unsignedHex);
    scene.world.chain.mine(6);
    ada.look(scene.cohort);
    expect(updateState(ada, one.did)).toEqual(['returned']);
  });

  test.each<[string, string, (given: Given) => Request | Promise<Request>]>([
    [
      'before the key path had its time',
      'too_soon',
      given => {
        given.scene.world.now -= 600;
        return request(given);
      },
    ],
    ['of a session that it never checked', 'unknown_session', given => request(given, { session_id: drawHex('x') })],
    ['at another address', 'wrong_address', given => request(given, { beacon_address: 'bcrt1pother0000000' })],
    ['that is no PSBT', 'psbt_invalid', given => request(given, { pending_beacon_signal: ['cHNidP8='] })],
    ['with other bytes', 'transaction_not_ours', given => request(given, {}, { signalBytes: draw('other bytes') })],
    [
      'of another outpoint',
      'open_session',
      given => {
        const txid = given.scene.world.chain.deposit(given.ada.beacon(given.scene.cohort).script_hex, 90_000);
        given.scene.world.chain.mine(6);
        return request(given, {}, { prevout: { txid, vout: 0, value_sats: 90_000 } });
      },
    ],
    [
      'of another value',
      'open_session',
      given => request(given, {}, { prevout: { ...given.session.outpoint, value_sats: 99_999 } }),
    ],
    ['above the cap', 'fee_over_cap', given => request(given, {}, { feeSats: 2_001 })],
    ['with its signal first', 'transaction_not_ours', given => request(given, {}, { signalOutput: 'first' })],
    [
      'of another beacon’s output',
      'wrong_output_script',
      given => request(given, {}, { scriptHex: `5120${drawHex('thief')}` }),
    ],
    [
      'of two transactions where the terms have one',
      'wrong_steps',
      given => {
        const [psbt] = request(given).pending_beacon_signal as [string];
        const [other] = request(given, {}, { feeSats: 600 }).pending_beacon_signal as [string];
        return request(given, { pending_beacon_signal: [psbt, other] });
      },
    ],
    [
      'that announces nothing',
      'transaction_not_ours',
      given => {
        const { script_hex: scriptHex } = given.ada.beacon(given.scene.cohort);
        const { psbt } = buildSpend({ prevout: given.session.outpoint, scriptHex, toHex: scriptHex, feeSats: 300 });
        return request(given, { pending_beacon_signal: [psbt] });
      },
    ],
    [
      'whose outpoint its own chain shows as spent',
      'outpoint_unknown',
      given => {
        const { ada, scene } = given;
        ada.eye = truth => ({ ...truth, utxos: [] });
        // This one has not signed the key path: it is not asked to sign blindly what it signed before.
        expect(ada.beacon(scene.cohort).sessions.size).toBe(1);
        return request(given);
      },
    ],
  ])('%s is refused: %s', async (_, code, forge) => {
    const given = await overdue([]);
    given.scene.world.now += 3_600;
    const outcome = ask(given, await forge(given));
    expect(sentOf(outcome, 'fallback_signature')).toEqual([]);
    expect(vetoOf(outcome)).toBe(code);
    expect([...given.ada.beacon(given.scene.cohort).sessions.values()][0]!.fallback).toBeUndefined();
  });

  test('is refused where the terms have none, and where this wallet cannot see the chain', async () => {
    const plain = await overdue([], { policy: { type: 'keypath' } });
    plain.scene.world.now += 3_600;
    expect(vetoOf(ask(plain, request(plain)))).toBe('no_fallback');
    const blind = await overdue([]);
    blind.scene.world.now += 3_600;
    blind.ada.eye = () => null;
    expect(vetoOf(ask(blind, request(blind)))).toBe('no_chain_view');
  });

  test('is refused where a DID has come to name the beacon since, of which no proof is held', async () => {
    const given = await overdue([]);
    const { scene, ada } = given;
    scene.world.now += 3_600;
    ada.addDid(newOwned(scene, ada, 'late'));
    const refused = ask(given, request(given));
    expect(vetoOf(refused)).toBe('evidence_missing');
    expect(refused.events.map(({ type }) => type)).not.toContain('fallback_checked');
  });

  test('that was good when it was checked is not signed if it is so no more: the last look is where it leaves', async () => {
    const given = await overdue([]);
    const { scene, ada, one } = given;
    scene.world.now += 3_600;
    ada.works = false;
    expect(ask(given, request(given)).events.map(({ type }) => type)).toContain('fallback_checked');
    ada.addDid(newOwned(scene, ada, 'late'));
    ada.works = true;
    const outcome = ada.work(job => job.type === 'sign_fallback');
    expect(sentOf(outcome, 'fallback_signature')).toEqual([]);
    expect(vetoOf(outcome)).toBe('evidence_missing');
    // The others may finish it all the same.
    expect(updateState(ada, one.did)).toEqual(['locked']);
    expect([...ada.beacon(scene.cohort).sessions.values()][0]!.fallback).toBeUndefined();
  });

  test('is asked for once: with another fee for the same session, the first counts', async () => {
    const given = await overdue();
    given.scene.world.now += 3_600;
    ask(given, request(given));
    const second = ask(given, request(given, {}, { feeSats: 400 }));
    expect(second.refused).toMatch(/second fallback/);
    expect(second.sent).toEqual([]);
  });

  test('fees of a ladder are those that its size makes', async () => {
    const given = await overdue([], { fee_ladder: { steps: 2, factor: 2, blocks: 6 }, fee_cap: 450 });
    given.scene.world.now += 3_600;
    const step = (feeSats: number) => request(given, {}, { feeSats }).pending_beacon_signal[0]!;
    // From 240 sat on, a key-path replacement would fit under the cap; one of this size does not pay for itself.
    expect(fallbackVsize(3, true)).toBe(214);
    expect(vetoOf(ask(given, request(given, { pending_beacon_signal: [step(240), step(450)] })))).toBe('wrong_steps');
    expect(
      sentOf(ask(given, request(given, { pending_beacon_signal: [step(240)] })), 'fallback_signature'),
    ).toHaveLength(1);
  });
});

describe('the recovery key at work', () => {
  /** A spend of the open session's output by the recovery leaf; who signed it, no wallet has to check. */
  function recovery({ scene, ada, session }: Given, unsignedHex: string): string {
    const { participant_pubkeys, policy, script_hex: scriptHex } = ada.beacon(scene.cohort);
    const keys = treeKeysOf(participant_pubkeys, policy)!;
    const spent = { scriptHex, valueSats: session.outpoint.value_sats };
    const message = leafSighash(unsignedHex, spent, keys.tree.recovery);
    return finalizeRecovery(unsignedHex, keys, curve.signSchnorr(message, draw('recovery key'), draw('aux'))).hex;
  }

  test('is told as what it is, once, and settles a session without an announcement', async () => {
    const given = await overdue();
    const { scene, ada, one, session } = given;
    const { script_hex: scriptHex } = ada.beacon(scene.cohort);
    const spend = { prevout: session.outpoint, scriptHex, toHex: `5120${drawHex('elsewhere')}`, feeSats: 300 };
    scene.world.chain.submit(recovery(given, buildSpend({ ...spend, delayBlocks: 144 }).unsignedHex));
    scene.world.chain.mine(6);
    const seen = ada.look(scene.cohort).events.filter(({ type }) => type === 'recovery_seen');
    expect(seen).toMatchObject([{ signal: null }]);
    expect(updateState(ada, one.did)).toEqual(['returned']);
    expect(ada.look(scene.cohort).events).toEqual([]);
    expect(cohortViews(ada.state, () => true)[0]!.recoveries).toMatchObject([{ signal: null }]);
  });

  test('where it publishes something it is told with what that is, and proofs are asked for', async () => {
    const given = await overdue();
    const { scene, ada, session } = given;
    const { script_hex: scriptHex } = ada.beacon(scene.cohort);
    const bytes = draw('what nobody agreed to');
    const { unsignedHex } = buildSignal({
      prevout: session.outpoint,
      scriptHex,
      signalBytes: bytes,
      feeSats: 300,
    });
    scene.world.chain.submit(recovery(given, unsignedHex));
    scene.world.chain.mine(1);
    const outcome = ada.look(scene.cohort);
    expect(outcome.events).toContainEqual(expect.objectContaining({ type: 'recovery_seen', signal: toHex(bytes) }));
    expect(sentOf(outcome, 'proof_request')).toHaveLength(1);
  });

  test('is nothing that a signal of all, or a fallback, could be taken for', async () => {
    const given = await overdue();
    const { scene, ada } = given;
    scene.world.now += 3_600;
    scene.aggregator.feed({ type: 'advance' });
    deliver(scene);
    scene.world.chain.mine(6);
    const outcome = ada.look(scene.cohort);
    expect(outcome.events.map(({ type }) => type)).toContain('signal_seen');
    expect(ada.beacon(scene.cohort).recoveries).toEqual([]);
  });
});

describe('what the aggregator makes of it', () => {
  test('a transaction of two signatures, which every wallet keeps, publishes and sees through', async () => {
    const { scene, ada, bob, eve, one } = await overdue();
    const { transport } = eve.membership(scene.cohort);
    const silent = (envelope: Envelope) => envelope.to === transport && envelope.type !== 'signal_status';
    scene.world.now += 3_600;
    scene.aggregator.feed({ type: 'advance' });
    deliver(scene, silent);
    const [signal] = [...ada.beacon(scene.cohort).signals.values()];
    expect(signal!.transactions).toHaveLength(1);
    for (let i = 0; i < 6; i++) scene.world.chain.mine();
    for (const wallet of [ada, bob, eve]) wallet.look(scene.cohort);
    expect(updateState(ada, one.did)).toEqual(['final']);
    const settled = [...ada.beacon(scene.cohort).sessions.values()].map(session => session.settled?.announced);
    expect(settled).toContain(true);
    expect(scene.world.now).toBeGreaterThan(START);
  });
});
