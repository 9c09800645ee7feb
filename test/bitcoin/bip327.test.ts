import { MuSigFactory } from '@brandonblack/musig';
import { describe, expect, test } from 'vitest';
import { createMusig, InvalidContributionError } from '../../src/bitcoin/index.ts';
import { type Bytes, compareBytes, concatBytes, toHex } from '../../src/crypto/index.ts';
import { curves, draw, readJson, thrownBy, unhex } from './helpers.ts';

interface Failure {
  error: { type: 'invalid_contribution' | 'value'; signer?: number | null; contrib?: string; message?: string };
  comment: string;
}
interface Tweaked {
  key_indices: number[];
  tweak_indices: number[];
  is_xonly: boolean[];
}

const vectors = {
  keySort: readJson<{ pubkeys: string[]; sorted_pubkeys: string[] }>('bip327/key_sort_vectors.json'),
  keyAgg: readJson<{
    pubkeys: string[];
    tweaks: string[];
    valid_test_cases: { key_indices: number[]; expected: string }[];
    error_test_cases: (Tweaked & Failure)[];
  }>('bip327/key_agg_vectors.json'),
  nonceAgg: readJson<{
    pnonces: string[];
    valid_test_cases: { pnonce_indices: number[]; expected: string }[];
    error_test_cases: ({ pnonce_indices: number[] } & Failure)[];
  }>('bip327/nonce_agg_vectors.json'),
  nonceGen: readJson<{
    test_cases: {
      rand_: string;
      sk: string | null;
      pk: string;
      aggpk: string | null;
      msg: string | null;
      extra_in: string | null;
      expected_secnonce: string;
      expected_pubnonce: string;
    }[];
  }>('bip327/nonce_gen_vectors.json'),
  signVerify: readJson<{
    sk: string;
    pubkeys: string[];
    secnonces: string[];
    pnonces: string[];
    aggnonces: string[];
    msgs: string[];
    valid_test_cases: {
      key_indices: number[];
      nonce_indices: number[];
      aggnonce_index: number;
      msg_index: number;
      signer_index: number;
      expected: string;
    }[];
    sign_error_test_cases: ({
      key_indices: number[];
      aggnonce_index: number;
      msg_index: number;
      secnonce_index: number;
    } & Failure)[];
    verify_fail_test_cases: {
      sig: string;
      key_indices: number[];
      nonce_indices: number[];
      msg_index: number;
      signer_index: number;
      comment: string;
    }[];
    verify_error_test_cases: ({
      sig: string;
      key_indices: number[];
      nonce_indices: number[];
      msg_index: number;
      signer_index: number;
    } & Failure)[];
  }>('bip327/sign_verify_vectors.json'),
  tweak: readJson<{
    sk: string;
    pubkeys: string[];
    secnonce: string;
    pnonces: string[];
    aggnonce: string;
    tweaks: string[];
    msg: string;
    valid_test_cases: (Tweaked & {
      nonce_indices: number[];
      signer_index: number;
      expected: string;
      comment: string;
    })[];
    error_test_cases: (Tweaked & Failure)[];
  }>('bip327/tweak_vectors.json'),
  sigAgg: readJson<{
    pubkeys: string[];
    pnonces: string[];
    tweaks: string[];
    psigs: string[];
    msg: string;
    valid_test_cases: (Tweaked & {
      aggnonce: string;
      nonce_indices: number[];
      psig_indices: number[];
      expected: string;
    })[];
    error_test_cases: (Tweaked & { aggnonce: string; psig_indices: number[] } & Failure)[];
  }>('bip327/sig_agg_vectors.json'),
  detSign: readJson<{
    sk: string;
    pubkeys: string[];
    msgs: string[];
    valid_test_cases: {
      rand: string | null;
      aggothernonce: string;
      key_indices: number[];
      tweaks: string[];
      is_xonly: boolean[];
      msg_index: number;
      signer_index: number;
      expected: [string, string];
    }[];
    error_test_cases: ({
      aggothernonce: string;
      key_indices: number[];
      tweaks: string[];
      is_xonly: boolean[];
      msg_index: number;
    } & Failure)[];
  }>('bip327/det_sign_vectors.json'),
};

const pick = (from: string[], indices: number[]): Bytes[] => indices.map(i => unhex(from[i]!));
const tweaksOf = (from: string[], { tweak_indices, is_xonly }: Tweaked) =>
  tweak_indices.map((index, i) => ({ tweak: unhex(from[index]!), xOnly: is_xonly[i]! }));

/** Which signer's which value a refusal names. */
function blamed(run: () => unknown): { signer: number | null; kind: string } {
  const error = thrownBy(run);
  if (!(error instanceof InvalidContributionError)) throw error;
  return { signer: error.signer, kind: error.kind };
}

describe.each(curves)('BIP-327 vectors over %s', (_name, curve) => {
  const lib = MuSigFactory(curve);
  const musig = createMusig(curve);
  /** A public nonce object that the library holds a vector's secret nonce for. */
  const armed = (secnonce: string, pubnonce: Bytes): Bytes => {
    const nonce = Uint8Array.from(pubnonce);
    lib.addExternalNonce(nonce, unhex(secnonce));
    return nonce;
  };

  test('key sorting, duplicates included', () => {
    const sorted = vectors.keySort.pubkeys.map(unhex).sort(compareBytes);
    expect(sorted.map(toHex)).toEqual(vectors.keySort.sorted_pubkeys.map(key => key.toLowerCase()));
  });

  test.each(vectors.keyAgg.valid_test_cases)('key aggregation of $key_indices', ({ key_indices, expected }) => {
    const aggregate = lib.keyAgg(pick(vectors.keyAgg.pubkeys, key_indices));
    expect(lib.getXOnlyPubkey(aggregate)).toEqual(unhex(expected));
  });

  test.each(vectors.keyAgg.error_test_cases)('key aggregation refuses: $comment', failure => {
    const keys = pick(vectors.keyAgg.pubkeys, failure.key_indices);
    if (failure.error.type === 'invalid_contribution')
      expect(blamed(() => musig.keySet(keys))).toEqual({ signer: failure.error.signer, kind: failure.error.contrib });
    else expect(() => lib.keyAgg(keys, ...tweaksOf(vectors.keyAgg.tweaks, failure))).toThrow();
  });

  test.each(vectors.nonceAgg.valid_test_cases)(
    'nonce aggregation of $pnonce_indices',
    ({ pnonce_indices, expected }) => {
      expect(musig.nonceAgg(pick(vectors.nonceAgg.pnonces, pnonce_indices))).toEqual(unhex(expected));
    },
  );

  test.each(vectors.nonceAgg.error_test_cases)('nonce aggregation refuses: $comment', ({ pnonce_indices, error }) => {
    expect(blamed(() => musig.nonceAgg(pick(vectors.nonceAgg.pnonces, pnonce_indices)))).toEqual({
      signer: error.signer,
      kind: error.contrib,
    });
  });

  test.each(vectors.nonceGen.test_cases)('nonce generation with message $msg', each => {
    const publicNonce = lib.nonceGen({
      sessionId: unhex(each.rand_),
      publicKey: unhex(each.pk),
      ...(each.sk === null ? {} : { secretKey: unhex(each.sk) }),
      ...(each.aggpk === null ? {} : { xOnlyPublicKey: unhex(each.aggpk) }),
      ...(each.msg === null ? {} : { msg: unhex(each.msg) }),
      ...(each.extra_in === null ? {} : { extraInput: unhex(each.extra_in) }),
    });
    const secnonce = unhex(each.expected_secnonce);
    expect(publicNonce).toEqual(unhex(each.expected_pubnonce));
    expect(publicNonce).toEqual(
      concatBytes(curve.publicKey(secnonce.slice(0, 32)), curve.publicKey(secnonce.slice(32, 64))),
    );
  });

  describe('signing and verifying', () => {
    const { sk, pubkeys, secnonces, pnonces, aggnonces, msgs } = vectors.signVerify;

    test.each(vectors.signVerify.valid_test_cases)('valid: keys $key_indices, message $msg_index', each => {
      const nonces = pick(pnonces, each.nonce_indices);
      const aggNonce = musig.nonceAgg(nonces);
      expect(aggNonce).toEqual(unhex(aggnonces[each.aggnonce_index]!));
      const publicKeys = pick(pubkeys, each.key_indices);
      const sessionKey = lib.startSigningSession(aggNonce, unhex(msgs[each.msg_index]!), publicKeys);
      const publicNonce = armed(secnonces[0]!, nonces[each.signer_index]!);
      const sig = lib.partialSign({ secretKey: unhex(sk), publicNonce, sessionKey });
      expect(sig).toEqual(unhex(each.expected));
      const publicKey = publicKeys[each.signer_index]!;
      expect(lib.partialVerify({ sig, publicKey, publicNonce, sessionKey })).toBe(true);
    });

    test.each(vectors.signVerify.sign_error_test_cases)('refused: $comment', failure => {
      const keys = pick(pubkeys, failure.key_indices);
      const aggNonce = unhex(aggnonces[failure.aggnonce_index]!);
      const message = unhex(msgs[failure.msg_index]!);
      if (failure.error.contrib === 'pubkey')
        expect(blamed(() => musig.keySet(keys))).toEqual({ signer: failure.error.signer, kind: 'pubkey' });
      else if (failure.error.contrib === 'aggnonce')
        expect(blamed(() => musig.session({ keySet: musig.keySet(keys), aggNonce, message }))).toEqual({
          signer: null,
          kind: 'aggnonce',
        });
      else if (failure.secnonce_index === 1)
        expect(() => armed(secnonces[1]!, unhex(pnonces[0]!))).toThrow('Invalid secretNonce');
      else {
        const secretKey = unhex(sk);
        const request = { secretKey, publicKey: curve.publicKey(secretKey), keySet: musig.keySet(keys) };
        expect(() => musig.newNonce({ ...request, random32: draw('vector') })).toThrow('not in the key set');
      }
    });

    test.each(vectors.signVerify.verify_fail_test_cases)('does not verify: $comment', each => {
      const publicKeys = pick(pubkeys, each.key_indices);
      const nonces = pick(pnonces, each.nonce_indices);
      const message = unhex(msgs[each.msg_index]!);
      const signer = { publicKey: publicKeys[each.signer_index]!, publicNonce: nonces[each.signer_index]! };
      const sig = unhex(each.sig);
      const aggNonce = musig.nonceAgg(nonces);
      const session = musig.session({ keySet: musig.keySet(publicKeys), aggNonce, message });
      expect(session.verifyPartial({ ...signer, sig })).toBe(false);
      if (!curve.isScalar(sig)) return;
      const sessionKey = lib.startSigningSession(aggNonce, message, publicKeys);
      expect(lib.partialVerify({ ...signer, sig, sessionKey })).toBe(false);
    });

    test.each(vectors.signVerify.verify_error_test_cases)('names the signer: $comment', each => {
      const publicKeys = pick(pubkeys, each.key_indices);
      const nonces = pick(pnonces, each.nonce_indices);
      const run = () => (each.error.contrib === 'pubkey' ? musig.keySet(publicKeys) : musig.nonceAgg(nonces));
      expect(blamed(run)).toEqual({ signer: each.error.signer, kind: each.error.contrib });
    });
  });

  describe('tweaks', () => {
    const { sk, pubkeys, secnonce, pnonces, aggnonce, tweaks, msg } = vectors.tweak;

    test.each(vectors.tweak.valid_test_cases)('$comment', each => {
      const publicKeys = pick(pubkeys, each.key_indices);
      const nonces = pick(pnonces, each.nonce_indices);
      const aggNonce = musig.nonceAgg(nonces);
      expect(aggNonce).toEqual(unhex(aggnonce));
      const sessionKey = lib.startSigningSession(aggNonce, unhex(msg), publicKeys, ...tweaksOf(tweaks, each));
      const publicNonce = armed(secnonce, nonces[each.signer_index]!);
      const sig = lib.partialSign({ secretKey: unhex(sk), publicNonce, sessionKey });
      expect(sig).toEqual(unhex(each.expected));
      expect(lib.partialVerify({ sig, publicKey: publicKeys[each.signer_index]!, publicNonce, sessionKey })).toBe(true);
    });

    test.each(vectors.tweak.error_test_cases)('refused: $comment', failure => {
      expect(() => lib.keyAgg(pick(pubkeys, failure.key_indices), ...tweaksOf(tweaks, failure))).toThrow();
    });
  });

  describe('signature aggregation', () => {
    const { pubkeys, pnonces, tweaks, psigs, msg } = vectors.sigAgg;

    test.each(vectors.sigAgg.valid_test_cases)('partials $psig_indices', each => {
      const aggNonce = musig.nonceAgg(pick(pnonces, each.nonce_indices));
      expect(aggNonce).toEqual(unhex(each.aggnonce));
      const keys = pick(pubkeys, each.key_indices);
      const sessionKey = lib.startSigningSession(aggNonce, unhex(msg), keys, ...tweaksOf(tweaks, each));
      const signature = lib.signAgg(pick(psigs, each.psig_indices), sessionKey);
      expect(signature).toEqual(unhex(each.expected));
      expect(curve.verifySchnorr(unhex(msg), lib.getXOnlyPubkey(sessionKey), signature)).toBe(true);
    });

    test.each(vectors.sigAgg.error_test_cases)('refused: $comment', failure => {
      const keySet = musig.keySet(pick(pubkeys, failure.key_indices));
      const session = musig.session({ keySet, aggNonce: unhex(failure.aggnonce), message: unhex(msg) });
      expect(blamed(() => session.aggregate(pick(psigs, failure.psig_indices)))).toEqual({
        signer: failure.error.signer,
        kind: failure.error.contrib,
      });
    });
  });

  // The guard offers no deterministic signing: what the vectors refuse is refused by the parts it would be built from.
  describe('deterministic signing', () => {
    const { sk, pubkeys, msgs } = vectors.detSign;
    const tweaksHere = (each: { tweaks: string[]; is_xonly: boolean[] }) =>
      each.tweaks.map((tweak, i) => ({ tweak: unhex(tweak), xOnly: each.is_xonly[i]! }));

    test.each(vectors.detSign.valid_test_cases)('keys $key_indices, message $msg_index', each => {
      const { publicNonce, sig } = lib.deterministicSign({
        secretKey: unhex(sk),
        aggOtherNonce: unhex(each.aggothernonce),
        publicKeys: pick(pubkeys, each.key_indices),
        tweaks: tweaksHere(each),
        msg: unhex(msgs[each.msg_index]!),
        ...(each.rand === null ? {} : { rand: unhex(each.rand) }),
      });
      expect([publicNonce, sig]).toEqual(each.expected.map(unhex));
    });

    test.each(vectors.detSign.error_test_cases)('refused: $comment', failure => {
      const keys = pick(pubkeys, failure.key_indices);
      const secretKey = unhex(sk);
      if (failure.error.contrib === 'pubkey')
        expect(blamed(() => musig.keySet(keys))).toEqual({ signer: failure.error.signer, kind: 'pubkey' });
      else if (failure.error.contrib === 'aggothernonce')
        expect(blamed(() => musig.nonceAgg([unhex(failure.aggothernonce)]))).toEqual({ signer: 0, kind: 'pubnonce' });
      else if (failure.tweaks.length > 0) expect(() => lib.keyAgg(keys, ...tweaksHere(failure))).toThrow();
      else {
        const request = { secretKey, publicKey: curve.publicKey(secretKey), keySet: musig.keySet(keys) };
        expect(() => musig.newNonce({ ...request, random32: draw('vector') })).toThrow('not in the key set');
      }
    });
  });
});
