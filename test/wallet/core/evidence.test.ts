import { describe, expect, test } from 'vitest';
import { fromBase64url, toBase64url } from '../../../src/crypto/index.ts';
import type { SignalEvidence } from '../../../src/messages/index.ts';
import { leafValue, type SmtProof } from '../../../src/smt/index.ts';
import { holdsEvidence } from '../../../src/wallet/core.ts';
import { drawHex, newController } from '../../cohort/members.ts';
import { drafted, newXController } from './driver.ts';
import { hashOf, held, type Lied, lied, sign, submitted, threeDids } from './given.ts';
import { roundTrip, sentOf, typesOf } from './wallet.ts';

/** A signal that was announced before the wallet had any DID here. */
function withPast(given: Lied = lied()) {
  const past = given.liar.request({ outpoint: given.outpoint, seed: drawHex('past') });
  const { authorization } = sign(given, past);
  given.world.chain.submit(given.liar.complete(past, authorization));
  given.world.chain.mine(6);
  given.wallet.look(given.liar.cohort);
  return { ...given, past };
}

const proofOf = ({ evidence }: SignalEvidence, did: string): SmtProof =>
  'proofs' in evidence ? evidence.proofs[did]! : ({} as SmtProof);

const proofs = ({ wallet, liar }: Lied, did: string, signals: SignalEvidence[]) => {
  const asked = wallet.sent.findLast(sent => sent.type === 'proof_request' && sent.body.did === did);
  return liar.say(
    { type: 'proofs', body: { beacon_address: liar.address, did, signals } },
    asked ? { in_reply_to: asked.id } : {},
  );
};

// fault 61
describe('evidence that comes with a registration', () => {
  test('is kept when it verifies', () => {
    const given = withPast();
    const { did } = newController('late');
    given.wallet.addDid(newController('late'));
    given.wallet.register(given.liar.cohort, newController('late'));
    const signal = given.liar.evidence({ seed: drawHex('past') }, did);
    expect(signal.signal_bytes).toBe(given.past.signal_bytes);
    given.liar.registered(did, [signal]);
    expect(holdsEvidence(given.wallet.beacon(given.liar.cohort), given.past.signal_bytes, did)).toBe(true);
    expect(given.wallet.look(given.liar.cohort).sent).toEqual([]);
  });

  const wrong: [string, (signal: SignalEvidence, did: string) => SignalEvidence][] = [
    ['of another signal', signal => ({ ...signal, signal_bytes: drawHex('another') })],
    ['of another DID', (signal, did) => ({ ...signal, evidence: { proofs: { [`${did}x`]: proofOf(signal, did) } } })],
    ['of none', signal => ({ ...signal, evidence: { proofs: {} } })],
    ['of another kind', (signal, did) => ({ ...signal, evidence: { map: { [did]: 'A'.repeat(43) } } })],
    [
      'with a nonce that nothing was made with',
      (signal, did) => ({
        ...signal,
        evidence: { proofs: { [did]: { ...proofOf(signal, did), nonce: 'A'.repeat(43) } } },
      }),
    ],
    [
      'of an empty index, dressed up as an update that nobody has',
      (signal, did) => ({
        ...signal,
        evidence: { proofs: { [did]: { ...proofOf(signal, did), updateId: toBase64url(leafValue({})) } } },
      }),
    ],
  ];
  test.each(wrong)('%s is refused, and nothing of it is kept', (_, change) => {
    const given = withPast();
    const controller = newController('late');
    given.wallet.addDid(controller);
    given.wallet.register(given.liar.cohort, controller);
    const good = given.liar.evidence({ seed: drawHex('past') }, controller.did);
    const outcome = given.liar.registered(controller.did, [good, roundTrip(change(good, controller.did))]);
    expect(outcome.refused).toMatch(/evidence of earlier signals is wrong/);
    const beacon = given.wallet.beacon(given.liar.cohort);
    expect(beacon.registrations.get(controller.did)).toEqual({ name: 'asked' });
    expect(holdsEvidence(beacon, given.past.signal_bytes, controller.did)).toBe(false);
  });

  test('a registration that nobody asked for is dropped', () => {
    const given = lied();
    for (const did of ['did:btcr2:stranger', newController('unasked').did])
      expect(given.liar.registered(did).dropped).toMatch(/nobody asked/);
  });

  test('an open session counts too: what it says of the DID is looked at again before it is signed', async () => {
    const given = lied();
    const late = newController('late');
    given.wallet.addDid(late);
    const made = await drafted(late, 'sent later');
    const parts = { updates: { [late.did]: hashOf(made) }, leaves: [late.did], shown: [] };
    // Nothing of it concerns the wallet yet, so it is checked, and a nonce leaves.
    const body = given.liar.request({ ...parts, outpoint: given.outpoint });
    const [nonce] = sentOf(given.liar.ask(body), 'nonce');
    held(given, 'late');
    given.wallet.submit(late, made.update, made.document, [given.liar.cohort]);
    const signal = given.liar.evidence(parts, late.did);
    expect(signal.signal_bytes).toBe(body.signal_bytes);
    proofs(given, late.did, [signal]);
    const outcome = given.liar.say(given.liar.aggregated(body, nonce!.nonce_points[0]!));
    expect(sentOf(outcome, 'signal_authorization')).toEqual([]);
    expect(sentOf(outcome, 'veto')).toMatchObject([{ code: 'wrong_announcement' }]);
  });
});

describe('a DID that comes to name the beacon between the nonce and the signature', () => {
  test('is signed for only with its proof, in another attempt', async () => {
    const given = await threeDids();
    const [nonce] = sentOf(given.liar.ask(given.good), 'nonce');
    const draft = newXController('second draft', 'SMTBeacon', given.liar.address);
    given.wallet.addDid(draft);
    const outcome = given.liar.say(given.liar.aggregated(given.good, nonce!.nonce_points[0]!));
    expect(sentOf(outcome, 'signal_authorization')).toEqual([]);
    expect(sentOf(outcome, 'veto')).toMatchObject([{ code: 'evidence_missing' }]);

    const shown = [...given.parts.shown, draft.did];
    const { authorization } = sign(given, given.liar.request({ ...given.parts, shown, attempt: 2 }));
    expect(authorization.sig).toHaveLength(1);
  });

  test('also when the signature was as good as made', async () => {
    const given = await threeDids();
    const [nonce] = sentOf(given.liar.ask(given.good), 'nonce');
    given.wallet.works = false;
    given.liar.say(given.liar.aggregated(given.good, nonce!.nonce_points[0]!));
    given.wallet.addDid(newXController('second draft', 'SMTBeacon', given.liar.address));
    const outcome = given.wallet.work();
    expect(outcome.sent.map(sent => sent.type)).toEqual(['veto']);
  });

  test('an update that was replaced meanwhile is not signed for either', async () => {
    const given = await threeDids();
    const [nonce] = sentOf(given.liar.ask(given.good), 'nonce');
    await submitted(given, given.one, 'newer');
    const outcome = given.liar.say(given.liar.aggregated(given.good, nonce!.nonce_points[0]!));
    expect(outcome.sent.map(sent => sent.type)).toEqual(['veto']);
    expect(sentOf(outcome, 'veto')).toMatchObject([{ code: 'wrong_announcement' }]);
  });
});

describe('a request that lacks proofs', () => {
  async function lacking(...names: ('one' | 'two' | 'draft')[]) {
    const given = await threeDids();
    const missing = names.map(name => given[name].did);
    const shown = given.parts.shown.filter(did => !missing.includes(did));
    const body = given.liar.request({ ...given.parts, shown });
    const signal = (did: string): SignalEvidence => ({
      ...given.liar.evidence(given.parts, did),
      session_id: body.session_id,
    });
    return { ...given, missing, body, signal, outcome: given.liar.ask(body) };
  }

  test('is complete when they come', async () => {
    const given = await lacking('draft');
    const outcome = proofs(given, given.draft.did, [given.signal(given.draft.did)]);
    expect(typesOf(outcome)).toEqual(['evidence_kept', 'evidence_kept', 'session_checked', 'answered', 'nonce_drawn']);
    expect(sentOf(outcome, 'nonce')).toHaveLength(1);
    expect(given.wallet.beacon(given.liar.cohort).held_request).toBeNull();
  });

  test('of several DIDs waits for the last of them', async () => {
    const given = await lacking('one', 'draft');
    expect(sentOf(given.outcome, 'proof_request').map(asked => asked.did)).toEqual(given.missing);
    const first = proofs(given, given.missing[1]!, [given.signal(given.missing[1]!)]);
    expect(first.sent).toEqual([]);
    const second = proofs(given, given.missing[0]!, [given.signal(given.missing[0]!)]);
    expect(sentOf(second, 'nonce')).toHaveLength(1);
  });

  test('is vetoed when one of them does not come', async () => {
    const given = await lacking('one', 'draft');
    proofs(given, given.missing[1]!, [given.signal(given.missing[1]!)]);
    const asked = given.wallet.sent.find(sent => sent.type === 'proof_request' && sent.body.did === given.missing[0]);
    const text = '😀'.repeat(499);
    const outcome = given.liar.say(
      { type: 'rejection', body: { code: 'not_available', text } },
      { in_reply_to: asked!.id },
    );
    expect(sentOf(outcome, 'veto')).toMatchObject([{ code: 'evidence_missing' }]);
    expect(given.wallet.beacon(given.liar.cohort).held_request).toBeNull();
  });

  test('stays where it is when they are wrong', async () => {
    const given = await lacking('draft');
    const other = given.liar.evidence({ ...given.parts, seed: drawHex('another tree') }, given.draft.did);
    const wrong = { ...other, session_id: given.body.session_id, signal_bytes: given.body.signal_bytes };
    expect(proofs(given, given.draft.did, [wrong]).refused).toMatch(/wrong/);
    expect(given.wallet.beacon(given.liar.cohort).held_request).not.toBeNull();
    expect(sentOf(proofs(given, given.draft.did, [given.signal(given.draft.did)]), 'nonce')).toHaveLength(1);
  });

  test('is checked as a whole again: what else is wrong with it shows then', async () => {
    const given = await lacking('draft');
    given.world.chain.spend(given.outpoint);
    const outcome = proofs(given, given.draft.did, [given.signal(given.draft.did)]);
    expect(sentOf(outcome, 'veto')).toMatchObject([{ code: 'outpoint_unknown' }]);
  });
});

describe('what was never verified is never kept', () => {
  test('proofs of other DIDs that come along', async () => {
    const given = await threeDids();
    const past = drawHex('past');
    const signal = given.liar.evidence({ ...given.parts, updates: {}, seed: past }, given.one.did);
    const forged = { ...proofOf(signal, given.one.did), nonce: 'A'.repeat(43) };
    proofs(given, given.one.did, [
      { ...signal, evidence: { proofs: { [given.one.did]: proofOf(signal, given.one.did), [given.two.did]: forged } } },
    ]);
    const beacon = given.wallet.beacon(given.liar.cohort);
    expect(holdsEvidence(beacon, signal.signal_bytes, given.one.did)).toBe(true);
    expect(holdsEvidence(beacon, signal.signal_bytes, given.two.did)).toBe(false);
  });

  test('a request brings proofs of DIDs that it does not concern', () => {
    const given = lied();
    const other = newController('other');
    given.wallet.addDid(other);
    const body = given.liar.request({ outpoint: given.outpoint, leaves: [other.did] });
    sign(given, body);
    expect(holdsEvidence(given.wallet.beacon(given.liar.cohort), body.signal_bytes, other.did)).toBe(false);
  });

  test('a map, in a cohort whose beacon is a tree', () => {
    const given = lied();
    const body = given.liar.request({ outpoint: given.outpoint });
    const outcome = given.liar.ask({ ...body, evidence: { map: { 'did:btcr2:any': 'A'.repeat(43) } } });
    expect(sentOf(outcome, 'veto')).toMatchObject([{ code: 'evidence_invalid' }]);
  });

  test('proofs of a DID of somebody else', () => {
    const given = lied();
    const did = 'did:btcr2:stranger';
    expect(proofs(given, did, [given.liar.evidence({}, did)]).dropped).toMatch(/somebody else/);
  });

  test('a second reading of a leaf: the good proof stays', async () => {
    const given = await threeDids();
    sign(given, given.good);
    const kept = () =>
      given.wallet.beacon(given.liar.cohort).signals.get(given.good.signal_bytes)!.proofs.get(given.two.did);
    const before = kept();
    const signal = given.liar.evidence(given.parts, given.two.did);
    const { nonce, ...rest } = proofOf(signal, given.two.did);
    const dressed = { ...rest, updateId: toBase64url(leafValue({ nonce: fromBase64url(nonce!) })) };
    expect(
      proofs(given, given.two.did, [{ ...signal, evidence: { proofs: { [given.two.did]: dressed } } }]).refused,
    ).toMatch(/never made/);
    expect(kept()).toEqual(before);
  });
});

describe('on a look', () => {
  test('missing proofs are asked for at once, and again only after an answer', () => {
    const given = withPast();
    const late = held(given, 'late');
    const { cohort } = given.liar;
    const asked = () => sentOf(given.wallet.look(cohort), 'proof_request').map(request => request.did);
    expect(asked()).toEqual([late.did]);
    expect(asked()).toEqual([]);
    proofs(given, late.did, []);
    expect(asked()).toEqual([late.did]);
    const last = given.wallet.sent.findLast(sent => sent.type === 'proof_request')!;
    given.liar.say({ type: 'rejection', body: { code: 'not_available', text: 'later' } }, { in_reply_to: last.id });
    expect(asked()).toEqual([late.did]);
    proofs(given, late.did, [given.liar.evidence({ seed: drawHex('past') }, late.did)]);
    expect(asked()).toEqual([]);
  });

  test('a DID that names the beacon in a draft is asked for, registered or not', () => {
    const given = withPast();
    const draft = newXController('draft', 'SMTBeacon', given.liar.address);
    given.wallet.addDid(draft);
    expect(sentOf(given.wallet.look(given.liar.cohort), 'proof_request').map(request => request.did)).toEqual([
      draft.did,
    ]);
  });

  test('a wallet without a view of the chain sees nothing', () => {
    const given = withPast();
    held(given, 'late');
    given.wallet.eye = () => null;
    expect(given.wallet.look(given.liar.cohort)).toMatchObject({ events: [], effects: [] });
  });
});

test('a document may write the address in capitals: it names the beacon all the same', () => {
  const given = lied();
  const draft = newXController('loud', 'SMTBeacon', given.liar.address.toUpperCase());
  given.wallet.addDid(draft);
  const outcome = given.liar.ask(given.liar.request({ outpoint: given.outpoint }));
  expect(sentOf(outcome, 'proof_request').map(asked => asked.did)).toEqual([draft.did]);
});

test('evidence that is held already is not stored again', () => {
  const given = withPast();
  const late = held(given, 'late');
  const signals = [given.liar.evidence({ seed: drawHex('past') }, late.did)];
  expect(typesOf(proofs(given, late.did, signals))).toContain('evidence_kept');
  expect(typesOf(proofs(given, late.did, signals))).not.toContain('evidence_kept');
  expect(typesOf(given.liar.registered(late.did, signals))).not.toContain('evidence_kept');
});
