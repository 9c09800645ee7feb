import { MuSigFactory } from '@brandonblack/musig';
import * as witness from '@scure/btc-signer/musig2.js';
import { describe, expect, test } from 'vitest';
import {
  createMusig,
  InvalidContributionError,
  type KeySet,
  type Musig,
  MusigError,
  type SecretNonce,
} from '../../src/bitcoin/index.ts';
import { curve as noble } from '../../src/crypto/curve-noble.ts';
import { curve as tiny } from '../../src/crypto/curve-tiny.ts';
import { type Bytes, type Curve, concatBytes, toHex } from '../../src/crypto/index.ts';
import { cohort, curves, draw, drawNonces, party, thrownBy } from './helpers.ts';

const message = draw('sighash');
const N = Uint8Array.from(Buffer.from('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141', 'hex'));

const publicNonces = (nonces: SecretNonce[]): Bytes[] => nonces.map(nonce => nonce.publicNonce);

function codeOf(run: () => unknown): string {
  const error = thrownBy(run);
  if (!(error instanceof MusigError)) throw error;
  return error.code;
}

describe.each(curves)('a ceremony over %s', (_name, curve) => {
  test.each([
    [2, undefined],
    [3, undefined],
    [5, draw('merkle root')],
  ])('%i members make one key-path signature', (size, merkleRoot) => {
    const { musig, keySet, parties } = cohort(curve, size, merkleRoot);
    const nonces = drawNonces(musig, keySet, parties, 'a');
    const session = musig.session({ keySet, aggNonce: musig.nonceAgg(publicNonces(nonces)), message });
    const partials = parties.map(({ secretKey }, i) => nonces[i]!.sign(session, secretKey));
    partials.forEach((sig, i) => {
      const [publicKey, publicNonce] = [parties[i]!.publicKey, nonces[i]!.publicNonce];
      expect(session.verifyPartial({ publicKey, publicNonce, sig })).toBe(true);
    });
    const signature = session.aggregate(partials);
    expect(signature).toHaveLength(64);
    for (const [, other] of curves) expect(other.verifySchnorr(message, keySet.outputKey, signature)).toBe(true);
  });
});

test('members on different curves sign together', () => {
  const { musig, keySet, parties } = cohort(tiny, 2);
  const browser = createMusig(noble);
  const browserKeys = browser.keySet(keySet.publicKeys);
  expect(browserKeys).toEqual(keySet);
  const [a, b] = [
    musig.newNonce({ ...parties[0]!, keySet, random32: draw('node') }),
    browser.newNonce({ ...parties[1]!, keySet: browserKeys, random32: draw('browser') }),
  ];
  const aggNonce = browser.nonceAgg([a.publicNonce, b.publicNonce]);
  const session = musig.session({ keySet, aggNonce, message });
  const partials = [
    a.sign(session, parties[0]!.secretKey),
    b.sign(browser.session({ keySet: browserKeys, aggNonce, message }), parties[1]!.secretKey),
  ];
  expect(tiny.verifySchnorr(message, keySet.outputKey, session.aggregate(partials))).toBe(true);
});

describe('an independent implementation as witness', () => {
  const { musig, keySet, parties } = cohort(tiny, 4, draw('script tree'));
  const keys = keySet.publicKeys.map(key => Uint8Array.from(key));

  test('the same keys', () => {
    const unsorted = [...keys].reverse();
    expect(witness.sortKeys(unsorted)).toEqual(keys);
    expect(witness.keyAggExport(witness.keyAggregate(keys))).toEqual(keySet.internalKey);
    expect(witness.keyAggExport(witness.keyAggregate(keys, [keySet.tweak], [true]))).toEqual(keySet.outputKey);
  });

  test('half of the members sign with the one, half with the other', () => {
    const ours = drawNonces(musig, keySet, parties.slice(0, 2), 'mixed');
    const theirs = parties
      .slice(2)
      .map(({ secretKey, publicKey }, i) =>
        witness.nonceGen(publicKey, secretKey, keySet.outputKey, message, undefined, draw('theirs', i)),
      );
    const nonces = [...publicNonces(ours), ...theirs.map(nonce => nonce.public)];
    const aggNonce = musig.nonceAgg(nonces);
    expect(witness.nonceAggregate(nonces)).toEqual(aggNonce);

    const session = musig.session({ keySet, aggNonce, message });
    const theirSession = new witness.Session(aggNonce, keys, message, [keySet.tweak], [true]);
    const partials = parties.map(({ secretKey }, i) =>
      i < 2 ? ours[i]!.sign(session, secretKey) : theirSession.sign(theirs[i - 2]!.secret, secretKey),
    );
    partials.forEach((sig, i) => {
      expect(session.verifyPartial({ publicKey: keys[i]!, publicNonce: nonces[i]!, sig })).toBe(true);
      expect(theirSession.partialSigVerify(sig, nonces, i)).toBe(true);
    });
    const signature = session.aggregate(partials);
    expect(theirSession.partialSigAgg(partials)).toEqual(signature);
    expect(noble.verifySchnorr(message, keySet.outputKey, signature)).toBe(true);
  });
});

test('the keys are aggregated once, however many sessions they sign in', () => {
  let work = 0;
  const counted: Curve = {
    ...tiny,
    pointMultiplyUnsafe: (...args) => {
      work++;
      return tiny.pointMultiplyUnsafe(...args);
    },
    pointAdd: (...args) => {
      work++;
      return tiny.pointAdd(...args);
    },
  };
  const { musig, keySet, parties } = cohort(counted, 20);
  const nonces = drawNonces(musig, keySet, parties, 'counted');
  const aggNonce = musig.nonceAgg(publicNonces(nonces));
  expect(work).toBeGreaterThanOrEqual(2 * 19);
  work = 0;
  const sessions = ['step 1', 'step 2'].map(step => musig.session({ keySet, aggNonce, message: draw(step) }));
  expect(work).toBe(0);
  const partials = parties.map(({ secretKey }, i) => nonces[i]!.sign(sessions[0]!, secretKey));
  expect(noble.verifySchnorr(draw('step 1'), keySet.outputKey, sessions[0]!.aggregate(partials))).toBe(true);
  // Another order of the same keys is another key set, and takes nothing from this one.
  const { keySet: rebuilt } = cohort(noble, 20);
  expect(rebuilt).toEqual(keySet);
});

describe('keys', () => {
  const keys = [0, 1, 2].map(i => party(tiny, 'keys', i).publicKey);
  const musig = createMusig(tiny);

  test('any order gives the same set, sorted', () => {
    const set = musig.keySet(keys);
    expect(musig.keySet([...keys].reverse())).toEqual(set);
    expect(set.publicKeys.map(toHex)).toEqual(keys.map(toHex).sort());
  });

  test.each([
    ['an x-only key', (key: Bytes) => key.slice(1)],
    ['an uncompressed key', (key: Bytes) => tiny.pointCompress(key, false)],
    ['a key off the curve', () => concatBytes(Uint8Array.of(2), new Uint8Array(31), Uint8Array.of(5))],
    ['infinity', () => new Uint8Array(33)],
    ['the same key again', () => keys[0]!],
  ])('%s is refused by its position', (_what, forge) => {
    const error = thrownBy(() => musig.keySet([keys[0]!, keys[1]!, forge(keys[2]!)]));
    expect(error).toBeInstanceOf(InvalidContributionError);
    expect(error).toMatchObject({ signer: 2, kind: 'pubkey' });
  });

  test('fewer than two keys are no cohort', () => {
    expect(codeOf(() => musig.keySet([]))).toBe('too_few_keys');
    expect(codeOf(() => musig.keySet([keys[0]!]))).toBe('too_few_keys');
  });

  // The library's caches are keyed by the array: a changed one would aggregate to a stale key.
  test('changing the arrays afterwards changes nothing that is signed', () => {
    const passed: Bytes[] = [0, 1].map(i => Uint8Array.from(party(tiny, 'mutated', i).publicKey));
    const parties = [0, 1].map(i => party(tiny, 'mutated', i));
    const keySet = musig.keySet(passed);
    const before = toHex(keySet.outputKey);
    passed[0]!.fill(7);
    passed.push(keys[0]!);
    keySet.publicKeys[0]!.fill(9);
    keySet.tweak.fill(1);
    expect(() => (keySet.publicKeys as Bytes[]).push(keys[0]!)).toThrow(TypeError);

    const nonces = drawNonces(musig, keySet, parties, 'mutated');
    const session = musig.session({ keySet, aggNonce: musig.nonceAgg(publicNonces(nonces)), message });
    const signature = session.aggregate(parties.map(({ secretKey }, i) => nonces[i]!.sign(session, secretKey)));
    expect(tiny.verifySchnorr(message, Uint8Array.from(Buffer.from(before, 'hex')), signature)).toBe(true);
  });

  test('an object that only looks like a key set is refused', () => {
    const copy: KeySet = { ...musig.keySet(keys) };
    const aggNonce = new Uint8Array(66);
    expect(codeOf(() => musig.session({ keySet: copy, aggNonce, message }))).toBe('unknown_key_set');
  });
});

// fault 17
describe('nonces that cancel', () => {
  /** A secret nonce in the witness's form: k1, k2, public key; `negate` gives the one whose points are opposite. */
  function chosenNonce(publicKey: Bytes, negate: boolean): { secret: Uint8Array<ArrayBuffer>; public: Bytes } {
    const scalars = [draw('k1'), draw('k2')].map(k => (negate ? tiny.scalarNegate(k) : k));
    return {
      secret: Uint8Array.from(concatBytes(...scalars, publicKey)),
      public: concatBytes(...scalars.map(k => tiny.publicKey(k))),
    };
  }

  // With an aggregation in which infinity sticks this round fails, every partial signature valid, nobody to blame.
  test('two members who publish P and −P cannot spoil the round', () => {
    const { musig, keySet, parties } = cohort(tiny, 3);
    const [attacker, accomplice, honest] = parties as [(typeof parties)[0], (typeof parties)[0], (typeof parties)[0]];
    const chosen = [chosenNonce(attacker.publicKey, false), chosenNonce(accomplice.publicKey, true)] as const;
    const nonce = musig.newNonce({ ...honest, keySet, random32: draw('honest') });
    const all = [chosen[0].public, chosen[1].public, nonce.publicNonce];

    const aggNonce = musig.nonceAgg(all);
    expect(aggNonce).toEqual(nonce.publicNonce);
    expect(aggNonce).toEqual(witness.nonceAggregate(all));

    const keys = keySet.publicKeys.map(key => Uint8Array.from(key));
    const theirs = new witness.Session(aggNonce, keys, message, [keySet.tweak], [true]);
    const session = musig.session({ keySet, aggNonce, message });
    const partials = [
      theirs.sign(chosen[0].secret, attacker.secretKey),
      theirs.sign(chosen[1].secret, accomplice.secretKey),
      nonce.sign(session, honest.secretKey),
    ];
    expect(tiny.verifySchnorr(message, keySet.outputKey, session.aggregate(partials))).toBe(true);
  });

  test('one half alone cancels', () => {
    const musig = createMusig(tiny);
    const [p, q] = [tiny.publicKey(draw('p')), tiny.publicKey(draw('q'))];
    const sum = musig.nonceAgg([concatBytes(p, q), concatBytes(tiny.pointNegate(p), q), concatBytes(q, p)]);
    expect(sum.slice(0, 33)).toEqual(q);
    const onlyTwo = musig.nonceAgg([concatBytes(p, q), concatBytes(tiny.pointNegate(p), q)]);
    expect(onlyTwo.slice(0, 33)).toEqual(new Uint8Array(33));
    expect(onlyTwo.slice(33)).toEqual(tiny.pointAdd(q, q, true));
  });

  test('nonces that cancel entirely: the session goes on, and no bad signature comes out', () => {
    const { musig, keySet, parties } = cohort(tiny, 2);
    const chosen = parties.map(({ publicKey }, i) => chosenNonce(publicKey, i === 1));
    const aggNonce = musig.nonceAgg(chosen.map(nonce => nonce.public));
    expect(aggNonce).toEqual(new Uint8Array(66));
    const session = musig.session({ keySet, aggNonce, message });
    const keys = keySet.publicKeys.map(key => Uint8Array.from(key));
    const theirs = new witness.Session(aggNonce, keys, message, [keySet.tweak], [true]);
    const partials = parties.map(({ secretKey }, i) => theirs.sign(chosen[i]!.secret, secretKey));
    expect(codeOf(() => session.aggregate(partials))).toBe('signature_invalid');
  });

  test('no nonces at all', () => {
    expect(codeOf(() => createMusig(tiny).nonceAgg([]))).toBe('bad_length');
  });
});

describe('what peers send', () => {
  const { musig, keySet, parties } = cohort(tiny, 3);
  const nonces = drawNonces(musig, keySet, parties, 'peers');
  const session = musig.session({ keySet, aggNonce: musig.nonceAgg(publicNonces(nonces)), message });
  const partials = parties.map(({ secretKey }, i) => nonces[i]!.sign(session, secretKey));
  const genuine = { publicKey: parties[0]!.publicKey, publicNonce: nonces[0]!.publicNonce, sig: partials[0]! };
  const changed = (bytes: Bytes, at: number): Bytes => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));

  test('the genuine one verifies', () => {
    expect(session.verifyPartial(genuine)).toBe(true);
  });

  test.each([
    ['s = 0', { ...genuine, sig: new Uint8Array(32) }],
    ['s = n', { ...genuine, sig: N }],
    ['s above n', { ...genuine, sig: new Uint8Array(32).fill(255) }],
    ['31 bytes', { ...genuine, sig: genuine.sig.slice(1) }],
    ['33 bytes', { ...genuine, sig: concatBytes(genuine.sig, Uint8Array.of(0)) }],
    ['no bytes', { ...genuine, sig: new Uint8Array() }],
    ['a flipped bit', { ...genuine, sig: changed(genuine.sig, 31) }],
    ['−s', { ...genuine, sig: tiny.scalarNegate(genuine.sig) }],
    ["another member's signature", { ...genuine, sig: partials[1]! }],
    ["another member's nonce", { ...genuine, publicNonce: nonces[1]!.publicNonce }],
    ["another member's key", { ...genuine, publicKey: parties[1]!.publicKey }],
    ["a stranger's key", { ...genuine, publicKey: party(tiny, 'stranger').publicKey }],
    ['a key that is no point', { ...genuine, publicKey: new Uint8Array(33) }],
    ['a nonce that is no point', { ...genuine, publicNonce: changed(genuine.publicNonce, 0) }],
    ['a nonce of zeros', { ...genuine, publicNonce: new Uint8Array(66) }],
    ['a nonce of 65 bytes', { ...genuine, publicNonce: genuine.publicNonce.slice(1) }],
  ])('%s is false, not a throw', (_what, contribution) => {
    expect(session.verifyPartial(contribution)).toBe(false);
  });

  test('a partial signature for another message or under another aggregate is not valid here', () => {
    const other = musig.session({ keySet, aggNonce: musig.nonceAgg(publicNonces(nonces)), message: draw('other') });
    expect(other.verifyPartial(genuine)).toBe(false);
    const lie = musig.session({ keySet, aggNonce: nonces[1]!.publicNonce, message });
    expect(lie.verifyPartial(genuine)).toBe(false);
  });

  test('the aggregate is verified before it leaves', () => {
    expect(codeOf(() => session.aggregate([partials[0]!, partials[1]!]))).toBe('partials_missing');
    expect(codeOf(() => session.aggregate([...partials, partials[0]!]))).toBe('partials_missing');
    expect(codeOf(() => session.aggregate([partials[0]!, partials[1]!, changed(partials[2]!, 5)]))).toBe(
      'signature_invalid',
    );
    expect(thrownBy(() => session.aggregate([partials[0]!, N, partials[2]!]))).toMatchObject({
      signer: 1,
      kind: 'psig',
    });
    expect(thrownBy(() => session.aggregate([partials[0]!, partials[1]!, new Uint8Array(31)]))).toMatchObject({
      signer: 2,
      kind: 'psig',
    });
  });

  // Over tiny the library takes bad points for infinity, and signs under a made-up R.
  test.each([
    ['a bad prefix', changed(nonces[0]!.publicNonce, 0).fill(4, 0, 1)],
    ['65 bytes', nonces[0]!.publicNonce.slice(1)],
    [
      'a half off the curve',
      concatBytes(nonces[0]!.publicNonce.slice(0, 33), Uint8Array.of(2), new Uint8Array(31), Uint8Array.of(9)),
    ],
  ])('an aggregated nonce with %s opens no session', (_what, aggNonce) => {
    const error = thrownBy(() => musig.session({ keySet, aggNonce, message }));
    expect(error).toMatchObject({ signer: null, kind: 'aggnonce' });
  });

  test('a message that is no hash opens no session', () => {
    const aggNonce = musig.nonceAgg(publicNonces(nonces));
    expect(codeOf(() => musig.session({ keySet, aggNonce, message: new Uint8Array(31) }))).toBe('bad_length');
  });

  test('changing the bytes afterwards changes no session', () => {
    const [aggNonce, hash] = [musig.nonceAgg(publicNonces(nonces)), Uint8Array.from(message)];
    const again = musig.session({ keySet, aggNonce, message: hash });
    aggNonce.fill(0);
    hash.fill(0);
    expect(again.aggregate(partials)).toEqual(session.aggregate(partials));
  });
});

// fault 22
describe('a secret nonce signs once', () => {
  const fresh = (label: string, musig: Musig = createMusig(tiny)) => {
    const parties = [party(tiny, 'once', 0), party(tiny, 'once', 1)] as const;
    const keySet = musig.keySet(parties.map(({ publicKey }) => publicKey));
    const nonce = musig.newNonce({ ...parties[0], keySet, random32: draw('once', label) });
    const other = musig.newNonce({ ...parties[1], keySet, random32: draw('once', label, 'other') });
    const aggNonce = musig.nonceAgg([nonce.publicNonce, other.publicNonce]);
    const session = (about = message) => musig.session({ keySet, aggNonce, message: about });
    return { musig, parties, keySet, nonce, session, aggNonce };
  };

  test('a second signature is refused, in the same session and in another', () => {
    const { nonce, session, parties } = fresh('twice');
    nonce.sign(session(), parties[0].secretKey);
    expect(codeOf(() => nonce.sign(session(), parties[0].secretKey))).toBe('nonce_used');
    expect(codeOf(() => nonce.sign(session(draw('another')), parties[0].secretKey))).toBe('nonce_used');
  });

  test('a failed attempt uses it up', () => {
    const { nonce, session, parties } = fresh('failed');
    expect(codeOf(() => nonce.sign(session(), parties[1].secretKey))).toBe('not_a_signer');
    expect(codeOf(() => nonce.sign(session(), parties[0].secretKey))).toBe('nonce_used');
  });

  test('destroyed is used', () => {
    const { nonce, session, parties } = fresh('destroyed');
    nonce.destroy();
    nonce.destroy();
    expect(codeOf(() => nonce.sign(session(), parties[0].secretKey))).toBe('nonce_used');
  });

  // A generator that repeats itself, or a machine that was resumed twice from one snapshot.
  test('the same random bytes drawn again sign no second time', () => {
    const { musig, nonce, session, parties } = fresh('snapshot');
    nonce.sign(session(), parties[0].secretKey);
    const again = fresh('snapshot', musig);
    expect(again.nonce.publicNonce).toEqual(nonce.publicNonce);
    expect(codeOf(() => again.nonce.sign(again.session(draw('another')), parties[0].secretKey))).toBe('nonce_used');
  });

  test('nobody can arm it again through the library', () => {
    const { nonce, session, parties, aggNonce, keySet } = fresh('external');
    const lib = MuSigFactory(tiny);
    nonce.sign(session(), parties[0].secretKey);
    lib.addExternalNonce(nonce.publicNonce, concatBytes(draw('k1'), draw('k2'), parties[0].publicKey));
    expect(codeOf(() => nonce.sign(session(), parties[0].secretKey))).toBe('nonce_used');

    const { nonce: unused } = fresh('unused');
    const keys = keySet.publicKeys.map(key => Uint8Array.from(key));
    const sessionKey = lib.startSigningSession(aggNonce, message, keys);
    const signOutside = () => lib.partialSign({ ...parties[0], publicNonce: unused.publicNonce, sessionKey });
    expect(signOutside).toThrow('No secret nonce found');
  });

  test('changing the public bytes that were handed out has no effect', () => {
    const { nonce, session, parties } = fresh('changed');
    const running = session();
    nonce.publicNonce.fill(0);
    expect(nonce.sign(running, parties[0].secretKey)).toHaveLength(32);
  });

  test('one that was drawn for a message signs no other', () => {
    const { musig, keySet, parties, session } = fresh('bound');
    let drawn = 0;
    const bound = () => musig.newNonce({ ...parties[0], keySet, message, random32: draw('bound nonce', drawn++) });
    expect(codeOf(() => bound().sign(session(draw('another')), parties[0].secretKey))).toBe('other_session');
    const nonce = bound();
    const aggNonce = musig.nonceAgg([nonce.publicNonce]);
    expect(nonce.sign(musig.session({ keySet, aggNonce, message }), parties[0].secretKey)).toHaveLength(32);
  });

  // fault 21
  test('it signs for no other key set and no other tweak', () => {
    const { musig, parties, aggNonce } = fresh('sets');
    const keys = parties.map(({ publicKey }) => publicKey);
    const others = [
      musig.keySet([...keys, party(tiny, 'third').publicKey]),
      musig.keySet(keys, { merkleRoot: draw('root') }),
    ];
    others.forEach((keySet, i) => {
      const { nonce } = fresh(`sets ${i}`, musig);
      const session = musig.session({ keySet, aggNonce, message });
      expect(codeOf(() => nonce.sign(session, parties[0].secretKey))).toBe('other_session');
    });
    const { nonce } = fresh('same', musig);
    const same = musig.session({ keySet: musig.keySet(keys), aggNonce, message });
    expect(nonce.sign(same, parties[0].secretKey)).toHaveLength(32);
  });

  test('an object that only looks like a session is refused', () => {
    const { nonce, session, parties } = fresh('forged');
    expect(codeOf(() => nonce.sign({ ...session() }, parties[0].secretKey))).toBe('unknown_session');
  });

  test('drawing refuses strangers, wrong keys and bad randomness', () => {
    const { musig, keySet, parties } = fresh('draw');
    const request = { ...parties[0], keySet, random32: draw('fine') };
    const stranger = party(tiny, 'stranger');
    expect(codeOf(() => musig.newNonce({ ...request, ...stranger }))).toBe('not_a_signer');
    expect(codeOf(() => musig.newNonce({ ...request, publicKey: parties[1].publicKey }))).toBe('not_a_signer');
    expect(codeOf(() => musig.newNonce({ ...request, secretKey: new Uint8Array(32) }))).toBe('bad_secret_key');
    expect(codeOf(() => musig.newNonce({ ...request, secretKey: N }))).toBe('bad_secret_key');
    expect(codeOf(() => musig.newNonce({ ...request, random32: new Uint8Array(32) }))).toBe('bad_length');
    expect(codeOf(() => musig.newNonce({ ...request, random32: new Uint8Array(16).fill(1) }))).toBe('bad_length');
    expect(codeOf(() => musig.newNonce({ ...request, message: new Uint8Array(31) }))).toBe('bad_length');
  });

  test('neither the nonce nor an error shows a secret', () => {
    const { nonce, session, parties } = fresh('silent');
    expect(Object.keys(nonce).sort()).toEqual(['destroy', 'publicNonce', 'sign']);
    const error = thrownBy(() => nonce.sign(session(), parties[1].secretKey));
    expect(String(error)).not.toContain(toHex(parties[1].secretKey));
    expect(JSON.stringify(error)).not.toContain(toHex(parties[1].secretKey));
  });
});
