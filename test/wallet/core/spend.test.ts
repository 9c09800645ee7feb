import { describe, expect, test } from 'vitest';
import { type BuiltSpend, buildSpend, parseTx, refundsOf, scriptToAddress } from '../../../src/bitcoin/index.ts';
import { toHex } from '../../../src/crypto/index.ts';
import { type Body, NO_SIGNAL, sessionId, type Terms } from '../../../src/messages/index.ts';
import { refundsHeld } from '../../../src/wallet/refund.ts';
import { drawHex } from '../../cohort/members.ts';
import { partsOf, psbtOf } from './forge.ts';
import { lied, sign, threeDids } from './given.ts';
import { type Liar, type Outpoint, resealed as resealedSignal } from './liar.ts';
import { sentOf, updateState } from './wallet.ts';

type Spend = Body<'authorize_spend_request'>;

const ELSEWHERE = scriptToAddress(`5120${drawHex('another key')}`, 'regtest')!;
const REFUND: Partial<Terms> = { refund: { address: ELSEWHERE, delay_blocks: 1_008 } };

interface Parts {
  outpoint: Outpoint;
  purpose?: Spend['purpose'];
  to?: string;
  fee?: number | undefined;
  delay?: number;
  attempt?: number;
}

function resealed(liar: Liar, body: Spend, outpoint: Outpoint, { txid, unsignedHex }: BuiltSpend): Spend {
  const id = sessionId({
    cohort: liar.cohort,
    round: body.round,
    attempt: body.attempt,
    outpoint: `${outpoint.txid}:${outpoint.vout}`,
    transactions: [txid, ...refundsOf(liar.terms, liar.script, [unsignedHex]).map(refund => refund.txid)],
    participant_pubkeys: liar.keys,
    signal_bytes: NO_SIGNAL,
  });
  return { ...body, session_id: toHex(id) };
}

function request(
  liar: Liar,
  { outpoint, purpose = 'cancel', to = liar.address, fee = 222, delay, attempt = 1 }: Parts,
) {
  const script = to === liar.address ? liar.script : `5120${drawHex('another key')}`;
  const built = buildSpend({
    prevout: outpoint,
    scriptHex: liar.script,
    toHex: script,
    feeSats: fee,
    ...(delay === undefined ? {} : { delayBlocks: delay }),
  });
  const body: Spend = {
    session_id: drawHex('set below'),
    beacon_address: liar.address,
    round: 1,
    attempt,
    purpose,
    to,
    pending_spend: [built.psbt],
  };
  return resealed(liar, body, outpoint, built);
}

const ask = (liar: Liar, body: Spend) => liar.say({ type: 'authorize_spend_request', body });

/** The whole ceremony with a spend: what the wallet sent, if it signed. */
function signSpend(liar: Liar, body: Spend) {
  const [nonce] = sentOf(ask(liar, body), 'nonce');
  if (!nonce) return null;
  const about = { ...body, signal_bytes: NO_SIGNAL } as unknown as Parameters<Liar['aggregated']>[0];
  const outcome = liar.say(liar.aggregated(about, ...nonce.nonce_points));
  return sentOf(outcome, 'signal_authorization')[0] ?? null;
}

const code = (outcome: ReturnType<typeof ask>) => sentOf(outcome, 'veto').map(veto => veto.code);

describe('a request to cancel', () => {
  test('the open session’s output is signed, stays the only thing beside that session, and settles it', async () => {
    const given = await threeDids({ frequency: { interval: 60, min_interval: 0, pending_updates: 1 } });
    const { liar, wallet, world, outpoint, one, good } = given;
    sign(given, good);
    expect(updateState(wallet, one.did)).toEqual(['locked']);
    const body = request(liar, { outpoint });
    const authorization = signSpend(liar, body);
    expect(authorization?.sig).toHaveLength(1);
    // Signing a cancel unlocks nothing: another signal of that output is as forbidden as before.
    const other = liar.request({ ...given.parts, updates: {}, seed: drawHex('other'), attempt: 2 });
    expect(sentOf(liar.ask(other), 'veto')).toMatchObject([{ code: 'open_session' }]);
    expect(updateState(wallet, one.did)).toEqual(['locked']);

    const hex = liar.complete({ ...good, pending_beacon_signal: body.pending_spend }, authorization!);
    const told = liar.say({
      type: 'spend_status',
      body: {
        session_id: body.session_id,
        beacon_address: liar.address,
        purpose: 'cancel',
        txid: parseTx(hex).txid,
        transactions: [hex],
      },
    });
    expect(told.effects).toEqual([{ type: 'broadcast', hex }]);
    world.chain.mine(6);
    wallet.look(liar.cohort);
    expect(wallet.beacon(liar.cohort).sessions.get(good.session_id)?.settled).toMatchObject({ announced: false });
    expect(updateState(wallet, one.did)).toEqual(['returned']);
    const fresh = world.chain.view(liar.script).utxos.find(utxo => utxo.txid === parseTx(hex).txid)!;
    const again = sign(given, liar.request({ ...given.parts, outpoint: fresh, round: 2 }));
    expect(again.authorization.sig).toHaveLength(1);
  });

  test('is answered as before when it comes again', async () => {
    const given = await threeDids();
    sign(given, given.good);
    const body = request(given.liar, { outpoint: given.outpoint });
    const first = sentOf(ask(given.liar, body), 'nonce');
    expect(sentOf(ask(given.liar, body), 'nonce')).toEqual(first);
  });

  test('an output that no session was about is refused: it would only cost fees', async () => {
    const { liar, outpoint } = await threeDids();
    expect(code(ask(liar, request(liar, { outpoint })))).toEqual(['nothing_to_cancel']);
  });

  test('in any other shape is refused, and no nonce is sent', async () => {
    const given = await threeDids(REFUND);
    sign(given, given.good);
    const { liar, outpoint } = given;
    const good = request(liar, { outpoint });
    const forged = (change: (parts: ReturnType<typeof partsOf>) => Partial<ReturnType<typeof partsOf>>): Spend => {
      const parts = partsOf({ ...given.good, pending_beacon_signal: good.pending_spend });
      return { ...good, pending_spend: [psbtOf({ ...parts, ...change(parts) })] };
    };
    const wrong: [string, Spend, string][] = [
      ['another address', { ...good, beacon_address: ELSEWHERE }, 'wrong_address'],
      ['another session id', { ...good, session_id: drawHex('x') }, 'wrong_session_id'],
      ['another round', { ...good, round: 2 }, 'wrong_session_id'],
      ['another attempt', { ...good, attempt: 2 }, 'wrong_session_id'],
      ['a fee over the cap', request(liar, { outpoint, fee: 2_001 }), 'fee_over_cap'],
      ['money elsewhere', request(liar, { outpoint, to: ELSEWHERE }), 'destination_not_agreed'],
      [
        'a lie about where',
        { ...request(liar, { outpoint, to: ELSEWHERE }), to: liar.address },
        'transaction_not_ours',
      ],
      ['another value', request(liar, { outpoint: { ...outpoint, value_sats: 99_999 } }), 'outpoint_value'],
      ['a delay', request(liar, { outpoint, delay: 1_008 }), 'transaction_not_ours'],
      ['no PSBT', { ...good, pending_spend: ['cHNidP8='] }, 'psbt_invalid'],
      ['a lock time', forged(() => ({ locktime: 1 })), 'transaction_not_ours'],
      ['another version', forged(() => ({ version: 1 })), 'transaction_not_ours'],
      [
        'signal bytes',
        forged(({ outputs }) => ({ outputs: [...outputs, { script_hex: `6a20${drawHex('bytes')}`, value_sats: 0 }] })),
        'transaction_not_ours',
      ],
    ];
    for (const [what, body, expected] of wrong) {
      const outcome = ask(liar, body);
      expect([what, code(outcome)]).toEqual([what, [expected]]);
      expect(sentOf(outcome, 'nonce')).toEqual([]);
    }
  });
});

describe('a request to move', () => {
  const move = (liar: Liar, outpoint: Outpoint) => request(liar, { outpoint, purpose: 'move', to: ELSEWHERE });

  test('is signed only to where the person agreed, and not while a session is open', async () => {
    const given = await threeDids();
    const { liar, wallet, outpoint } = given;
    expect(code(ask(liar, move(liar, outpoint)))).toEqual(['destination_not_agreed']);
    expect(wallet.feed({ type: 'agree_release', cohort: liar.cohort, to: 'bc1qnothere' }).refused).toMatch(
      /no address/,
    );
    wallet.feed({ type: 'agree_release', cohort: liar.cohort, to: ELSEWHERE });
    sign(given, given.good);
    expect(code(ask(liar, move(liar, outpoint)))).toEqual(['open_session']);
  });

  test('is signed once that is agreed; taken back, it is not', () => {
    const { liar, wallet, outpoint } = lied();
    wallet.feed({ type: 'agree_release', cohort: liar.cohort, to: ELSEWHERE });
    expect(signSpend(liar, move(liar, outpoint))?.sig).toHaveLength(1);
    wallet.feed({ type: 'agree_release', cohort: liar.cohort, to: null });
    const next = request(liar, { outpoint, purpose: 'move', to: ELSEWHERE, attempt: 2 });
    expect(code(ask(liar, next))).toEqual(['destination_not_agreed']);
    const gone = request(liar, { outpoint: { ...outpoint, vout: 5 }, purpose: 'move', to: ELSEWHERE, attempt: 3 });
    wallet.feed({ type: 'agree_release', cohort: liar.cohort, to: ELSEWHERE });
    expect(code(ask(liar, gone))).toEqual(['outpoint_unknown']);
  });
});

describe('a request for a refund', () => {
  const deposit = { txid: drawHex('not broadcast yet'), vout: 0, value_sats: 70_000 };
  const refund = (liar: Liar, delay = 1_008, to = ELSEWHERE) =>
    request(liar, { outpoint: deposit, purpose: 'refund', to, delay });

  /** A refund that all signed, as the aggregator tells it. */
  function completed(liar: Liar, body: Spend) {
    const authorization = signSpend(liar, body);
    const hex = liar.complete(
      { pending_beacon_signal: body.pending_spend } as Parameters<Liar['complete']>[0],
      authorization!,
    );
    const told = liar.say({
      type: 'spend_status',
      body: {
        session_id: body.session_id,
        beacon_address: liar.address,
        purpose: 'refund',
        txid: parseTx(hex).txid,
        transactions: [hex],
      },
    });
    return { hex, told };
  }

  test('that this member makes goes to the aggregator once, and its refusal is told', () => {
    const { liar, wallet } = lied(REFUND);
    const ask_ = { type: 'ask_refund' as const, cohort: liar.cohort, outpoint: deposit };
    const [asked] = wallet.feed(ask_).sent;
    expect(asked).toMatchObject({ type: 'refund_request', body: { beacon_address: liar.address, outpoint: deposit } });
    expect(wallet.feed(ask_).dropped).toBe('asked already');
    const body = { code: 'wrong_phase' as const, text: 'a round is under way' };
    const told = liar.say({ type: 'rejection', body }, { in_reply_to: asked!.id });
    const outpoint = `${deposit.txid}:0`;
    expect(told.events).toMatchObject([
      { type: 'refund_refused', outpoint, text: expect.stringMatching(/under way/) },
      { type: 'answered' },
    ]);
    const [again] = wallet.feed(ask_).sent;
    liar.say({ type: 'ack', body: { accepted: 'refund_request' } }, { in_reply_to: again!.id });
    expect([...wallet.state.asked.values()].filter(({ slot }) => slot.startsWith('refund'))).toEqual([]);
    const without = lied();
    expect(without.wallet.feed({ ...ask_, cohort: without.liar.cohort }).refused).toMatch(/no refund/);
  });

  test('is signed to the address in the terms after their delay, kept, and not published', () => {
    const { liar, wallet } = lied(REFUND);
    const body = refund(liar);
    const { hex, told } = completed(liar, body);
    expect(told.effects).toEqual([]);
    expect(wallet.beacon(liar.cohort).sessions.get(body.session_id)?.transaction).toBe(hex);
  });

  test('signed for another value than what came, or a second one of the same output, is not counted among what can be sent', () => {
    const { liar, wallet, world } = lied(REFUND);
    const of = (value_sats: number, fee?: number) =>
      completed(
        liar,
        request(liar, { outpoint: { ...deposit, value_sats }, purpose: 'refund', to: ELSEWHERE, delay: 1_008, fee }),
      ).hex;
    const [wrong, right, second] = [of(69_999), of(70_000), of(70_000, 333)];
    expect(new Set([wrong, right, second]).size).toBe(3);
    const utxos = [{ ...deposit, height: 100, coinbase: false }];
    const view = { ...world.chain.view(liar.script), utxos };
    expect(refundsHeld(wallet.beacon(liar.cohort), view)).toMatchObject([
      { outpoint: `${deposit.txid}:0`, value_sats: 70_000, hex: right, from_height: 1_107 },
    ]);
    expect(refundsHeld(wallet.beacon(liar.cohort), { ...view, utxos: [{ ...utxos[0]!, value_sats: 69_998 }] })).toEqual(
      [],
    );
  });

  test('with another delay or address, or without one in the terms, is refused', () => {
    const { liar } = lied(REFUND);
    expect(code(ask(liar, refund(liar, 1_007)))).toEqual(['transaction_not_ours']);
    expect(code(ask(liar, refund(liar, 1_008, liar.address)))).toEqual(['destination_not_agreed']);
    const without = lied();
    expect(code(ask(without.liar, refund(without.liar, 0)))).toEqual(['destination_not_agreed']);
  });

  test('of what a signal leaves at the beacon is signed with it, and kept when it is told; a forged one is not', async () => {
    const given = await threeDids(REFUND);
    const { liar, wallet, good } = given;
    const { nonce, authorization } = sign(given, good);
    expect([nonce.nonce_points.length, authorization.sig.length]).toEqual([2, 2]);
    const hex = liar.complete(good, authorization);
    const given_back = liar.complete(good, authorization, 1);
    expect(parseTx(given_back).inputs).toMatchObject([{ txid: parseTx(hex).txid, vout: 0, sequence: 1_008 }]);
    const status = (refunds: string[]) =>
      liar.say({
        type: 'signal_status',
        body: {
          session_id: good.session_id,
          beacon_address: liar.address,
          status: 'broadcast',
          txid: parseTx(hex).txid,
          transactions: [hex],
          refunds,
          block_hash: null,
          height: null,
          confirmations: 0,
        },
      });
    const held = () => wallet.beacon(liar.cohort).signals.get(good.signal_bytes)!.refunds;
    const forged = `${given_back.slice(0, -10)}${'00'.repeat(1)}${given_back.slice(-8)}`;
    expect(status([forged, hex]).effects).toEqual([{ type: 'broadcast', hex }]);
    expect(held()).toEqual([]);
    // It comes later than the signal itself, and is not published.
    expect(status([given_back]).effects).toEqual([]);
    expect(held()).toEqual([given_back]);
    expect(status([given_back]).events).toEqual([]);
  });

  test('is left out by nobody: without it the session has another id, and fewer nonces are refused', async () => {
    const given = await threeDids(REFUND);
    const { liar, good } = given;
    const without = liar.request({ ...given.parts, attempt: 2 });
    const bare = resealedSignal({ cohort: liar.cohort, keys: liar.keys }, without);
    expect(code(liar.ask(bare) as ReturnType<typeof ask>)).toEqual(['wrong_session_id']);
    const [nonce] = sentOf(liar.ask(good), 'nonce');
    const outcome = liar.say(liar.aggregated(good, nonce!.nonce_points[0]!));
    expect(outcome.refused).toMatch(/2 aggregated nonces are due/);
    expect(sentOf(outcome, 'signal_authorization')).toEqual([]);
  });
});
