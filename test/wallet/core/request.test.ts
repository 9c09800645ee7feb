import { beforeAll, describe, expect, test } from 'vitest';
import { readSignalPsbt } from '../../../src/bitcoin/index.ts';
import type { ChainView } from '../../../src/cohort/index.ts';
import { fromBase64url, toBase64url, toHex } from '../../../src/crypto/index.ts';
import type { Body } from '../../../src/messages/index.ts';
import { sessionId } from '../../../src/messages/index.ts';
import { leafValue, type SmtProof } from '../../../src/smt/index.ts';
import type { VetoCode } from '../../../src/wallet/core.ts';
import { draw, drawHex, publicHex } from '../../cohort/members.ts';
import { drafted } from './driver.ts';
import { withTx } from './forge.ts';
import { hashOf, held, sign, submitted, threeDids } from './given.ts';
import { resealed } from './liar.ts';
import { roundTrip, sentOf, typesOf } from './wallet.ts';

type RequestBody = Body<'authorize_beacon_signal_request'>;
type Given = Awaited<ReturnType<typeof threeDids>>;

let given: Given;
let cas: Given;
beforeAll(async () => {
  given = await threeDids();
  cas = await threeDids({ type: 'CASBeacon' });
});

const ask = (body: RequestBody, { liar, wallet }: Given = given, chain?: ChainView | null) =>
  wallet.consider(liar.envelope({ type: 'authorize_beacon_signal_request', body }), chain);

/** Nothing leaves but a veto with this code, and nothing is left to do. */
function expectVeto(code: VetoCode, ...asked: Parameters<typeof ask>): void {
  const decision = ask(...asked);
  if (!('events' in decision)) throw new Error('not even a veto');
  const { events, effects } = decision;
  expect(events.map(event => [event.type, 'code' in event ? event.code : null])).toEqual([['session_vetoed', code]]);
  expect(effects).toMatchObject([{ type: 'send', message: { type: 'veto', body: { code } } }]);
}

const resealedTx: typeof withTx = (body, change) => resealed(given.liar, withTx(body, change));
const otherBytes = drawHex('other bytes');
const otherScript = `5120${drawHex('other key')}`;
const otherPsbt = (body: RequestBody): string => withTx(body, () => ({ locktime: 9 })).pending_beacon_signal[0]!;

describe('the request as it should be', () => {
  test.each([
    ['SMTBeacon', () => given],
    ['CASBeacon', () => cas],
  ] as const)('%s: is checked, and a nonce leaves', (_, of) => {
    const decision = ask(of().good, of());
    expect('events' in decision && typesOf(decision)).toEqual(['evidence_kept', 'session_checked']);
  });

  test('is what the wallet would build itself, at any fee up to the cap', () => {
    for (const fee of [154, 2_000]) {
      const decision = ask(given.liar.request({ ...given.parts, fee }));
      expect('events' in decision && typesOf(decision)).toContain('session_checked');
    }
  });
});

describe('refused: another body', () => {
  const ingredients: [string, (body: RequestBody) => Partial<Parameters<typeof sessionId>[0]>][] = [
    ['cohort', () => ({ cohort: drawHex('other cohort') })],
    ['round', ({ round }) => ({ round: round + 1 })],
    ['attempt', ({ attempt }) => ({ attempt: attempt + 1 })],
    ['outpoint', () => ({ outpoint: `${drawHex('other')}:0` })],
    ['transactions', () => ({ transactions: [drawHex('other')] })],
    ['members', () => ({ participant_pubkeys: [publicHex(draw('stranger'))] })],
    ['signal bytes', () => ({ signal_bytes: otherBytes })],
  ];
  test.each(ingredients)('a session id that was made with another %s', (_, change) => {
    const { good, liar } = given;
    const { prevout, txid } = readSignalPsbt(good.pending_beacon_signal[0]!);
    const facts = {
      cohort: liar.cohort,
      round: good.round,
      attempt: good.attempt,
      outpoint: `${prevout.txid}:${prevout.vout}`,
      transactions: [txid],
      participant_pubkeys: liar.keys,
      signal_bytes: good.signal_bytes,
    };
    expect(toHex(sessionId(facts))).toBe(good.session_id);
    expectVeto('wrong_session_id', { ...good, session_id: toHex(sessionId({ ...facts, ...change(good) })) });
  });

  const mutants: [string, VetoCode, (body: RequestBody) => RequestBody][] = [
    ['any session id', 'wrong_session_id', body => ({ ...body, session_id: drawHex('any') })],
    ['another round', 'wrong_session_id', body => ({ ...body, round: body.round + 1 })],
    ['another attempt', 'wrong_session_id', body => ({ ...body, attempt: body.attempt + 1 })],
    ['another address', 'wrong_address', body => ({ ...body, beacon_address: 'bcrt1qother0000000000' })],
    [
      'other signal bytes than the transaction',
      'transaction_not_ours',
      body => ({ ...body, signal_bytes: otherBytes }),
    ],
    [
      'other signal bytes than the proofs',
      'evidence_invalid',
      body =>
        resealedTx({ ...body, signal_bytes: otherBytes }, ({ outputs }) => ({
          outputs: [outputs[0]!, { script_hex: `6a20${otherBytes}`, value_sats: 0 }],
        })),
    ],
    [
      'a fee ladder that nobody agreed to',
      'wrong_steps',
      body => ({ ...body, pending_beacon_signal: [...body.pending_beacon_signal, ...body.pending_beacon_signal] }),
    ],
    [
      'a bad transaction behind a good one',
      'transaction_not_ours',
      body => ({ ...body, pending_beacon_signal: [...body.pending_beacon_signal, otherPsbt(body)] }),
    ],
  ];
  test.each(mutants)('%s → %s', (_, code, change) => expectVeto(code, change(given.good)));
});

describe('refused: another transaction', () => {
  const signal = (bytes: string) => ({ script_hex: `6a${(bytes.length / 2).toString(16)}${bytes}`, value_sats: 0 });
  const change = (script_hex: string, value_sats: number) => ({ script_hex, value_sats });
  const mutants: [string, VetoCode, Parameters<typeof withTx>[1]][] = [
    ['version 1', 'transaction_not_ours', () => ({ version: 1 })],
    ['version 3', 'transaction_not_ours', () => ({ version: 3 })],
    ['a lock time', 'transaction_not_ours', () => ({ locktime: 600 })],
    ...[0, 0xfffffffe, 0xffffffff].map((sequence): (typeof mutants)[number] => [
      `sequence ${sequence}`,
      'transaction_not_ours',
      ({ inputs }) => ({ inputs: [{ ...inputs[0]!, sequence }] }),
    ]),
    ['another input', 'outpoint_unknown', ({ inputs }) => ({ inputs: [{ ...inputs[0]!, txid: drawHex('no tx') }] })],
    ['another output of its parent', 'outpoint_unknown', ({ inputs }) => ({ inputs: [{ ...inputs[0]!, vout: 1 }] })],
    ['more said to be spent', 'outpoint_value', ({ spent }) => ({ spent: { ...spent, value_sats: 100_001 } })],
    ['less said to be spent', 'outpoint_value', ({ spent }) => ({ spent: { ...spent, value_sats: 99_999 } })],
    ['a script of its own', 'wrong_output_script', ({ spent }) => ({ spent: { ...spent, script_hex: otherScript } })],
    [
      'change to another script',
      'transaction_not_ours',
      ({ outputs }) => ({ outputs: [{ ...outputs[0]!, script_hex: otherScript }, outputs[1]!] }),
    ],
    [
      'change that makes the fee exceed the cap by one satoshi',
      'fee_over_cap',
      ({ outputs }) => ({ outputs: [{ ...outputs[0]!, value_sats: 100_000 - 2_001 }, outputs[1]!] }),
    ],
    ['no change', 'fee_over_cap', ({ outputs }) => ({ outputs: [outputs[1]!] })],
    [
      'an output for a friend, out of the change',
      'transaction_not_ours',
      ({ outputs: [first, last] }) => ({
        outputs: [change(first!.script_hex, 50_000), change(otherScript, 49_692), last!],
      }),
    ],
    [
      'the change in two',
      'transaction_not_ours',
      ({ outputs: [first, last] }) => ({
        outputs: [change(first!.script_hex, 50_000), change(first!.script_hex, 49_692), last!],
      }),
    ],
    [
      'an empty output more',
      'transaction_not_ours',
      ({ outputs: [first, last] }) => ({ outputs: [first!, change('51', 0), last!] }),
    ],
    ['OP_RETURN first', 'transaction_not_ours', ({ outputs }) => ({ outputs: outputs.toReversed() })],
    [
      'OP_RETURN not last',
      'transaction_not_ours',
      ({ outputs: [first, last] }) => ({ outputs: [first!, last!, change('51', 0)] }),
    ],
    [
      'two OP_RETURNs',
      'transaction_not_ours',
      ({ outputs: [first, last] }) => ({ outputs: [first!, signal(otherBytes), last!] }),
    ],
    ['no OP_RETURN', 'transaction_not_ours', ({ outputs }) => ({ outputs: [outputs[0]!] })],
    [
      'OP_RETURN with other bytes',
      'transaction_not_ours',
      ({ outputs }) => ({ outputs: [outputs[0]!, signal(otherBytes)] }),
    ],
    [
      'OP_RETURN of 33 bytes',
      'transaction_not_ours',
      ({ outputs: [first, last] }) => ({ outputs: [first!, signal(`${last!.script_hex.slice(4)}00`)] }),
    ],
    [
      'OP_RETURN of 31 bytes',
      'transaction_not_ours',
      ({ outputs: [first, last] }) => ({ outputs: [first!, signal(last!.script_hex.slice(6))] }),
    ],
    [
      'OP_RETURN with a longer push',
      'transaction_not_ours',
      ({ outputs: [first, last] }) => ({ outputs: [first!, change(`6a4c${last!.script_hex.slice(2)}`, 0)] }),
    ],
    [
      'OP_RETURN that burns a satoshi',
      'transaction_not_ours',
      ({ outputs: [first, last] }) => ({ outputs: [first!, { ...last!, value_sats: 1 }] }),
    ],
    [
      'more paid out than is there',
      'psbt_invalid',
      ({ outputs: [first, last] }) => ({ outputs: [{ ...first!, value_sats: 100_001 }, last!] }),
    ],
  ];
  // Each has the session id that such a transaction makes: it is the transaction that must be refused.
  test.each(mutants.filter(([, code]) => code !== 'psbt_invalid'))('%s → %s', (_, code, mutate) =>
    expectVeto(code, resealedTx(given.good, mutate)),
  );

  const unreadable: [string, (body: RequestBody) => RequestBody][] = [
    ...mutants
      .filter(([, code]) => code === 'psbt_invalid')
      .map(([name, , mutate]): (typeof unreadable)[number] => [name, body => withTx(body, mutate)]),
    [
      'a second input',
      body =>
        withTx(body, ({ inputs }) => ({ inputs: [...inputs, { txid: drawHex('x'), vout: 0, sequence: 0xfffffffd }] })),
    ],
    ['no PSBT', body => ({ ...body, pending_beacon_signal: ['AAAAAAAA'] })],
    ['bytes behind the PSBT', body => ({ ...body, pending_beacon_signal: [`${body.pending_beacon_signal[0]}AAAA`] })],
    ['a PSBT without end', body => ({ ...body, pending_beacon_signal: ['AAAA'.repeat(2_000)] })],
  ];
  test.each(unreadable)('%s → psbt_invalid', (_, change_) => {
    const body = change_(given.good);
    expect(body.pending_beacon_signal).not.toEqual(given.good.pending_beacon_signal);
    expectVeto('psbt_invalid', body);
  });
});

describe('refused: other evidence', () => {
  const withProof = (did: string, change: (proof: SmtProof) => Partial<SmtProof>): RequestBody => {
    const body = roundTrip(given.good);
    if (!('proofs' in body.evidence)) throw new Error('no proofs');
    const { proofs } = body.evidence;
    proofs[did] = { ...proofs[did]!, ...change(proofs[did]!) };
    return roundTrip(body);
  };
  const proofOf = (body: RequestBody, did: string): SmtProof => {
    if (!('proofs' in body.evidence)) throw new Error('no proofs');
    return body.evidence.proofs[did]!;
  };
  const other = toBase64url(draw('other'));
  const swap = <T>([a, b, ...rest]: T[]): T[] => [b!, a!, ...rest];

  const mutants: [string, VetoCode, () => RequestBody][] = [
    [
      'a proof of another tree',
      'evidence_invalid',
      () =>
        withProof(given.one.did, () =>
          proofOf(given.liar.request({ ...given.parts, seed: otherBytes }), given.one.did),
        ),
    ],
    [
      "another DID's proof",
      'evidence_invalid',
      () => withProof(given.two.did, () => ({ updateId: undefined, ...proofOf(given.good, given.one.did) })),
    ],
    ['another root', 'evidence_invalid', () => withProof(given.one.did, () => ({ id: other }))],
    ['another nonce', 'evidence_invalid', () => withProof(given.one.did, () => ({ nonce: other }))],
    ['no nonce', 'evidence_invalid', () => withProof(given.two.did, () => ({ nonce: undefined }))],
    ['another announcement', 'evidence_invalid', () => withProof(given.one.did, () => ({ updateId: other }))],
    ['the announcement left out', 'evidence_invalid', () => withProof(given.one.did, () => ({ updateId: undefined }))],
    ['another map of siblings', 'evidence_invalid', () => withProof(given.one.did, () => ({ collapsed: other }))],
    [
      'a sibling less',
      'evidence_invalid',
      () => withProof(given.one.did, ({ hashes }) => ({ hashes: hashes.slice(1) })),
    ],
    [
      'a sibling more',
      'evidence_invalid',
      () => withProof(given.one.did, ({ hashes }) => ({ hashes: [...hashes, other] })),
    ],
    [
      'siblings in another order',
      'evidence_invalid',
      () => withProof(given.one.did, ({ hashes }) => ({ hashes: swap(hashes) })),
    ],
    [
      'another sibling',
      'evidence_invalid',
      () => withProof(given.one.did, ({ hashes }) => ({ hashes: [other, ...hashes.slice(1)] })),
    ],
    [
      'a registered DID that is no leaf',
      'evidence_invalid',
      () => given.liar.request({ ...given.parts, leaves: [given.one.did] }),
    ],
    [
      'a map, where the beacon is a tree',
      'evidence_invalid',
      () => ({ ...given.good, evidence: { map: { [given.one.did]: other } } }),
    ],
    [
      'an update that was never submitted',
      'wrong_announcement',
      () => given.liar.request({ ...given.parts, updates: { [given.one.did]: otherBytes } }),
    ],
    [
      'an update for a DID that has none',
      'wrong_announcement',
      () => given.liar.request({ ...given.parts, updates: { ...given.parts.updates, [given.two.did]: otherBytes } }),
    ],
    [
      'an update for a DID that is not even registered',
      'wrong_announcement',
      () => given.liar.request({ ...given.parts, updates: { ...given.parts.updates, [given.draft.did]: otherBytes } }),
    ],
    [
      "one DID's update on another's leaf",
      'wrong_announcement',
      () => given.liar.request({ ...given.parts, updates: { [given.two.did]: given.update.announcement } }),
    ],
    [
      'a leaf dressed up as an announcement',
      'wrong_announcement',
      () =>
        withProof(given.two.did, ({ nonce }) => ({
          nonce: undefined,
          updateId: toBase64url(leafValue({ nonce: fromBase64url(nonce!) })),
        })),
    ],
    [
      'an empty index dressed up as an announcement',
      'wrong_announcement',
      () => withProof(given.draft.did, () => ({ updateId: toBase64url(leafValue({})) })),
    ],
  ];
  test.each(mutants)('%s → %s', (_, code, make) => {
    const body = make();
    expect(body).not.toEqual(given.good);
    expectVeto(code, body);
  });

  test('a tree whose bits are numbered from the other end', async () => {
    const lsb = await threeDids({ bit_order: 'lsb' });
    const { outpoint, parts } = given;
    expectVeto('evidence_invalid', resealed(given.liar, { ...lsbBody(lsb, outpoint, parts) }));
  });

  test.each(['one', 'two', 'draft'] as const)(
    'a proof left out, of %s: asked for, no nonce, then a veto',
    async which => {
      const fresh = await threeDids();
      const missing = fresh[which].did;
      const shown = fresh.parts.shown.filter(did => did !== missing);
      const body = fresh.liar.request({ ...fresh.parts, shown });
      const outcome = fresh.liar.ask(body);
      expect(typesOf(outcome)).toEqual(['request_held']);
      expect(sentOf(outcome, 'proof_request')).toEqual([
        { beacon_address: fresh.liar.address, did: missing, session_id: body.session_id },
      ]);
      expect(sentOf(outcome, 'nonce')).toEqual([]);
      expectVeto('evidence_missing', body, fresh);
    },
  );

  const maps: [string, VetoCode, () => RequestBody][] = [
    [
      'a map with another entry',
      'evidence_invalid',
      () => ({ ...cas.good, evidence: { map: { ...mapOf(cas.good), [cas.two.did]: other } } }),
    ],
    ['an empty map', 'evidence_invalid', () => ({ ...cas.good, evidence: { map: {} } })],
    ['proofs, where the beacon is a map', 'evidence_invalid', () => ({ ...cas.good, evidence: given.good.evidence })],
    [
      'an update that was never submitted',
      'wrong_announcement',
      () => cas.liar.request({ ...cas.parts, updates: { [cas.two.did]: otherBytes } }),
    ],
  ];
  test.each(maps)('CASBeacon: %s → %s', (_, code, make) => expectVeto(code, make(), cas));
});

const mapOf = ({ evidence }: RequestBody): Record<string, string> => ('map' in evidence ? evidence.map : {});

/** A request of the tree that another numbering makes, over this cohort's outpoint and key. */
function lsbBody(lsb: Given, outpoint: Given['outpoint'], parts: Given['parts']): RequestBody {
  const { signal_bytes, evidence } = lsb.liar.request({ ...parts, outpoint });
  expect(signal_bytes).not.toBe(given.good.signal_bytes);
  return {
    ...withTx(given.good, ({ outputs }) => ({
      outputs: [outputs[0]!, { script_hex: `6a20${signal_bytes}`, value_sats: 0 }],
    })),
    signal_bytes,
    evidence,
  };
}

describe('refused: updates that are not to be announced here and now', () => {
  test('one that a newer one of the same version replaced', async () => {
    const fresh = await threeDids();
    const newer = await submitted(fresh, fresh.one, 'newer');
    expectVeto('wrong_announcement', fresh.good, fresh);
    const updates = { [fresh.one.did]: newer.announcement };
    expect(typesOf(fresh.liar.ask(fresh.liar.request({ ...fresh.parts, updates })))).toContain('session_checked');
  });

  test('one that the aggregator refused', async () => {
    const fresh = await threeDids();
    const { update, document } = await drafted(fresh.two, 'unwanted');
    const [asked] = fresh.wallet.submit(fresh.two, update, document, [fresh.liar.cohort]).sent;
    const body = { code: 'update_invalid' as const, text: 'no' };
    fresh.liar.say({ type: 'rejection', body }, { in_reply_to: asked!.id });
    const updates = { [fresh.two.did]: hashOf({ update, document }) };
    expectVeto('wrong_announcement', fresh.liar.request({ ...fresh.parts, updates }), fresh);
  });

  test('one that was signed, but not sent to this cohort', async () => {
    const fresh = await threeDids();
    const { update, document } = await drafted(fresh.two, 'elsewhere');
    fresh.wallet.submit(fresh.two, update, document, []);
    const updates = { [fresh.two.did]: hashOf({ update, document }) };
    expectVeto('wrong_announcement', fresh.liar.request({ ...fresh.parts, updates }), fresh);
  });

  test('version 3 before version 2', async () => {
    const fresh = await threeDids();
    const next = await drafted(fresh.one, 'next', { document: fresh.update.document, version: 2 });
    fresh.wallet.submit(fresh.one, next.update, next.document, [fresh.liar.cohort]);
    const updates = { [fresh.one.did]: hashOf(next) };
    expectVeto('wrong_announcement', fresh.liar.request({ ...fresh.parts, updates }), fresh);
  });
});

// fault 33
describe('refused: what the chain does not bear out', () => {
  const view = (change: (view: ChainView) => Partial<ChainView>): ChainView => {
    const truth = given.world.chain.view(given.liar.script);
    return { ...truth, ...change(truth) };
  };
  const utxo = (change: Partial<ChainView['utxos'][number]>) => () =>
    view(({ utxos }) => ({ utxos: utxos.map(each => ({ ...each, ...change })) }));
  const height = (confirmations: number) => given.world.chain.tip - confirmations + 1;

  test.each<[string, VetoCode, () => ChainView | null]>([
    ['no view of the chain', 'no_chain_view', () => null],
    ['an outpoint that is not there', 'outpoint_unknown', () => view(() => ({ utxos: [] }))],
    ['another value', 'outpoint_value', utxo({ value_sats: 99_000 })],
    ['an unconfirmed deposit', 'outpoint_shallow', utxo({ height: null })],
    ['five confirmations', 'outpoint_shallow', () => utxo({ height: height(5) })()],
    ['a coinbase of a hundred', 'outpoint_shallow', () => utxo({ coinbase: true, height: height(100) })()],
  ])('%s → %s', (_, code, make) => expectVeto(code, given.good, given, make()));

  test('an outpoint that is spent already', async () => {
    const fresh = await threeDids();
    fresh.world.chain.spend(fresh.outpoint);
    expectVeto('outpoint_unknown', fresh.good, fresh);
  });

  test('six confirmations, and a coinbase of a hundred and one, are enough', () => {
    for (const change of [{ height: height(6) }, { coinbase: true, height: height(101) }]) {
      const decision = ask(given.good, given, utxo(change)());
      expect('events' in decision && typesOf(decision)).toContain('session_checked');
    }
  });

  test('a signal sooner than the interval that was agreed', async () => {
    const fresh = await threeDids();
    const { authorization } = sign(fresh, fresh.good);
    fresh.world.chain.submit(fresh.liar.complete(fresh.good, authorization));
    fresh.world.chain.mine(6);
    fresh.wallet.look(fresh.liar.cohort);
    const parts = { ...fresh.parts, updates: {}, outpoint: fresh.liar.deposit(), round: 2 };
    expectVeto('too_soon', fresh.liar.request(parts), fresh);
    // Nor the same tree once more, now that it is announced.
    const again = { ...parts, updates: fresh.parts.updates };
    expect(fresh.liar.request(again).signal_bytes).toBe(fresh.good.signal_bytes);
    expectVeto('too_soon', fresh.liar.request(again), fresh);
    fresh.world.now += fresh.liar.terms.frequency.min_interval;
    expectVeto('wrong_announcement', fresh.liar.request(again), fresh);
    expect(typesOf(fresh.liar.ask(fresh.liar.request(parts)))).toContain('session_checked');
  });
});

test('after all that was refused the wallet signs what is right', () => {
  expect(held(given, 'three').did).toMatch(/^did:btcr2:/);
  const { liar, parts } = given;
  const three = held(given, 'four');
  const body = liar.request({
    ...parts,
    leaves: [...parts.leaves, three.did, held(given, 'three').did],
    shown: [...parts.shown, three.did, held(given, 'three').did],
  });
  const { authorization } = sign(given, body);
  expect(given.world.chain.submit(liar.complete(body, authorization))).toBe(true);
});
