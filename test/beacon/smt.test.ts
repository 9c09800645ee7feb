import { describe, expect, it } from 'vitest';
import {
  aggregate,
  checkEvidence,
  type Evidence,
  type Expectation,
  NoUpdateError,
  SignalEntryError,
} from '../../src/beacon/index.ts';
import { fromHex, toBase64url, toHex } from '../../src/crypto/index.ts';
import { type BitOrder, DuplicateIndexError, leafValue, type SmtProof, unblindProof } from '../../src/smt/index.ts';
import { didOf, draw, drawHex, entry, indexOf } from './cohort.ts';

const ORDERS: BitOrder[] = ['spec', 'lsb'];
const [alice, bob, carol, zed] = ['alice', 'bob', 'carol', 'zed'].map(didOf) as [string, string, string, string];
const entries = [
  entry('alice', true),
  entry('bob', true),
  entry('carol', false),
  ...Array.from('defgh', n => entry(n, true)),
];
const submitted: Expectation = { did: alice, announcement: drawHex('update of alice'), registered: true };
const nothing: Expectation = { did: carol, announcement: null, registered: true };
const stranger: Expectation = { did: zed, announcement: null, registered: false };

describe.each(ORDERS)('an SMT signal in %s order', bitOrder => {
  const signal = aggregate('SMTBeacon', entries, { bitOrder });
  const proofsFor = (...subjects: string[]): Record<string, SmtProof> => {
    const evidence = signal.evidenceFor(subjects);
    if (!('proofs' in evidence)) throw new Error('an SMT beacon answers with proofs');
    return evidence.proofs;
  };
  const check = (proofs: unknown, ...expected: Expectation[]) =>
    checkEvidence('SMTBeacon', {
      signalBytes: signal.signalBytes,
      bitOrder,
      evidence: { proofs } as Evidence,
      expected,
    });
  const aliceProof = proofsFor(alice)[alice]!;

  it('is proven to members with an update, without one, and to DIDs that are not registered', () => {
    expect(check(proofsFor(alice, carol, zed), submitted, nothing, stranger)).toEqual([]);
    expect(check(proofsFor(indexOf('alice'), indexOf('zed')), submitted, stranger)).toEqual([]);
  });

  it('is proven to each DID under the name that was asked for, registered ones with their nonce', () => {
    const proofs = proofsFor(alice, indexOf('carol'), zed);
    expect(Object.keys(proofs)).toEqual([alice, indexOf('carol'), zed]);
    expect(proofs[alice]).toMatchObject({
      nonce: toBase64url(draw('nonce of alice')),
      updateId: toBase64url(draw('update of alice')),
    });
    expect(proofs[indexOf('carol')]).toMatchObject({ nonce: toBase64url(draw('nonce of carol')) });
    expect(proofs[indexOf('carol')]).not.toHaveProperty('updateId');
    expect(proofs[zed]).not.toHaveProperty('nonce');
  });

  it('when a proof is not there → proof_missing', () => {
    expect(check(proofsFor(alice), submitted, nothing)).toEqual([
      expect.objectContaining({ code: 'proof_missing', subject: carol }),
    ]);
  });

  it.each<[string, unknown]>([
    ['no object', null],
    ['a list', []],
    ['a text', 'proofs'],
    ['an announcement map', { [alice]: toBase64url(draw('update of alice')) }],
  ])('when the evidence is %s → a problem, never a throw', (_, evidence) => {
    const input = { signalBytes: signal.signalBytes, bitOrder, expected: [submitted] };
    for (const garbage of [evidence, { proofs: evidence }, { map: evidence }])
      expect(checkEvidence('SMTBeacon', { ...input, evidence: garbage as Evidence })).toHaveLength(1);
  });

  it('when a DID spells an inherited name → proof_missing, not what every object has', () => {
    for (const did of ['constructor', '__proto__', 'toString'])
      expect(check({}, { did, announcement: null, registered: false })).toMatchObject([
        { code: 'proof_missing', subject: did },
      ]);
    const evil = { did: '__proto__', announcement: null, registered: false };
    expect(check(proofsFor('__proto__'), evil)).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['no object', 'proof'],
    ['without hashes', { ...aliceProof, hashes: undefined }],
    ['with a nonce of null', { ...aliceProof, nonce: null }],
    ["another member's", proofsFor(bob)[bob]],
    ['with a swapped updateId', { ...aliceProof, updateId: toBase64url(draw('update of bob')) }],
    ['with the update left out', { ...aliceProof, updateId: undefined }],
    ['with another nonce', { ...aliceProof, nonce: toBase64url(draw('another nonce')) }],
    ['with a hash exchanged', { ...aliceProof, hashes: aliceProof.hashes.with(0, toBase64url(draw('hash'))) }],
  ])('when the proof is %s → proof_invalid', (_, proof) => {
    expect(check({ [alice]: proof }, submitted)).toEqual([
      expect.objectContaining({ code: 'proof_invalid', subject: alice }),
    ]);
  });

  it('when the proof was made in the other bit order → proof_invalid', () => {
    const other = bitOrder === 'spec' ? 'lsb' : 'spec';
    const lie = aggregate('SMTBeacon', entries, { bitOrder: other });
    const input = { signalBytes: lie.signalBytes, evidence: lie.evidenceFor([alice]), expected: [submitted] };
    expect(checkEvidence('SMTBeacon', { ...input, bitOrder: other })).toEqual([]);
    expect(checkEvidence('SMTBeacon', { ...input, bitOrder })).toMatchObject([
      { code: 'proof_invalid', subject: alice },
    ]);
  });

  it('when a sound proof is of another root → wrong_signal_bytes', () => {
    const earlier = aggregate('SMTBeacon', entries.slice(0, 3), { bitOrder }).evidenceFor([alice]);
    const input = { signalBytes: signal.signalBytes, bitOrder, evidence: earlier, expected: [submitted] };
    expect(checkEvidence('SMTBeacon', input)).toMatchObject([{ code: 'wrong_signal_bytes', subject: alice }]);
  });

  it.each<[string, Expectation, string]>([
    ['leaves out what was submitted', { ...nothing, announcement: drawHex('update of carol') }, 'is not in the signal'],
    ['announces what was not submitted', { ...submitted, announcement: null }, 'was not submitted'],
    ['announces another update', { ...submitted, announcement: drawHex('newer update of alice') }, 'another update'],
  ])('when the tree itself %s → wrong_announcement', (_, expectation, text) => {
    expect(check(proofsFor(expectation.did), expectation)).toEqual([
      { code: 'wrong_announcement', subject: expectation.did, text: expect.stringContaining(text) },
    ]);
  });

  it('when a registered DID got no leaf → nonce_missing', () => {
    expect(check(proofsFor(zed), { ...stranger, registered: true })).toEqual([
      expect.objectContaining({ code: 'nonce_missing', subject: zed }),
    ]);
  });

  it('when an update stands in its leaf without a nonce → nonce_missing, since everybody can tell it from a non-update', () => {
    const bare = aggregate('SMTBeacon', [{ ...entry('alice', true), nonce: undefined }, entry('bob', true)], {
      bitOrder,
    });
    const input = {
      signalBytes: bare.signalBytes,
      bitOrder,
      evidence: bare.evidenceFor([alice]),
      expected: [submitted],
    };
    expect(checkEvidence('SMTBeacon', input)).toMatchObject([{ code: 'nonce_missing', subject: alice }]);
  });

  it('names every DID that has a problem, and each of its problems', () => {
    const proofs = { [alice]: proofsFor(bob)[bob]!, ...proofsFor(zed) };
    const found = check(proofs, submitted, nothing, {
      did: zed,
      announcement: drawHex('update of zed'),
      registered: true,
    });
    expect(found.map(({ code, subject }) => [code, subject])).toEqual([
      ['proof_invalid', alice],
      ['proof_missing', carol],
      ['wrong_announcement', zed],
      ['nonce_missing', zed],
    ]);
  });
});

describe('a blinded SMT signal', () => {
  const parts = { nonce: draw('nonce of alice'), announcement: draw('update of alice') };
  const leaf = toHex(leafValue(parts));
  const signal = aggregate('SMTBeacon', [{ index: indexOf('alice'), leaf }, entry('bob', false)], { bitOrder: 'spec' });
  const { proofs } = signal.evidenceFor([indexOf('alice')]) as { proofs: Record<string, SmtProof> };
  const blinded = proofs[indexOf('alice')]!;
  const check = (proof: SmtProof) =>
    checkEvidence('SMTBeacon', {
      signalBytes: signal.signalBytes,
      bitOrder: 'spec',
      evidence: { proofs: { [alice]: proof } },
      expected: [submitted],
    });

  it('has the root of the open one', () => {
    const open = aggregate('SMTBeacon', [entry('alice', true), entry('bob', false)], { bitOrder: 'spec' });
    expect(signal.signalBytes).toEqual(open.signalBytes);
  });

  it('is proven once the member put in what only it knows', () => {
    expect(check(unblindProof(blinded, parts))).toEqual([]);
  });

  it('when the service changed the leaf → proof_invalid', () => {
    const lie = aggregate('SMTBeacon', [{ index: indexOf('alice'), leaf: drawHex('lie') }], { bitOrder: 'spec' });
    const proof = (lie.evidenceFor([alice]) as { proofs: Record<string, SmtProof> }).proofs[alice]!;
    const input = { signalBytes: lie.signalBytes, bitOrder: 'spec' as const, expected: [submitted] };
    expect(
      checkEvidence('SMTBeacon', { ...input, evidence: { proofs: { [alice]: unblindProof(proof, parts) } } }),
    ).toMatchObject([{ code: 'proof_invalid', subject: alice }]);
    expect(check(blinded)).toMatchObject([{ code: 'proof_invalid', subject: alice }]);
  });
});

describe('an SMT signal is refused', () => {
  const make =
    (...list: Parameters<typeof aggregate>[1]) =>
    () =>
      aggregate('SMTBeacon', list, { bitOrder: 'spec' });

  it('without an update', () => {
    expect(make()).toThrow(NoUpdateError);
    expect(make(entry('alice', false), entry('bob', false))).toThrow(NoUpdateError);
  });

  it('when a registered index would be an empty one', () => {
    expect(make(entry('alice', true), { index: indexOf('bob'), did: bob })).toThrow(SignalEntryError);
  });

  it('when a finished leaf comes with a nonce or an announcement', () => {
    expect(make({ ...entry('alice', true), leaf: drawHex('leaf') })).toThrow(SignalEntryError);
    expect(make({ ...entry('alice', false), leaf: drawHex('leaf') })).toThrow(SignalEntryError);
  });

  it('when an index comes twice', () => {
    expect(make(entry('alice', true), entry('alice', false))).toThrow(DuplicateIndexError);
  });

  it('when hex is not 32 lowercase bytes', () => {
    expect(make({ ...entry('alice', true), index: 'ab' })).toThrow(TypeError);
    expect(make({ ...entry('alice', true), nonce: drawHex('x').toUpperCase() })).toThrow(TypeError);
    expect(make({ ...entry('alice', true), announcement: '' })).toThrow(TypeError);
    expect(make({ index: indexOf('alice'), leaf: toHex(fromHex('00')) })).toThrow(TypeError);
  });
});
