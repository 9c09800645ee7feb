import { randomBytes } from 'node:crypto';
import * as scure from '@scure/btc-signer/musig2.js';
import { createMusig, type KeySet } from '../src/bitcoin/index.ts';
import { curve as noble } from '../src/crypto/curve-noble.ts';
import { curve as tiny } from '../src/crypto/curve-tiny.ts';
import type { Bytes, Curve } from '../src/crypto/index.ts';
import { perCall, timed } from './measure.ts';
import { report } from './report.ts';
import { sizes } from './sizes.ts';

const random = (length: number): Bytes => Uint8Array.from(randomBytes(length));

interface Party {
  secretKey: Bytes;
  publicKey: Bytes;
}

function parties(n: number): Party[] {
  return Array.from({ length: n }, () => {
    const secretKey = random(32);
    return { secretKey, publicKey: tiny.publicKey(secretKey) };
  });
}

/** MuSig2 as the coordinator meets it: keys once a cohort, then nonces and partial signatures of every round. */
export async function run(args: readonly string[]): Promise<void> {
  floor();
  for (const n of sizes(args, [10, 100, 1_000])) {
    const members = parties(n);
    ours('tiny-secp256k1', 'ours', tiny, members);
    ours('our adapter for browsers', 'rival', noble, members);
    theirs(members);
  }
}

/** What a partial verification cannot do without: three multiplications and two additions of points. */
function floor(): void {
  const { publicKey, secretKey } = parties(1)[0]!;
  const ms = perCall(500, () => {
    const a = tiny.pointMultiplyUnsafe(publicKey, secretKey, false)!;
    const b = tiny.pointMultiplyUnsafe(publicKey, secretKey, false)!;
    tiny.pointAdd(tiny.pointAdd(a, publicKey, false)!, b, true);
    tiny.getPublicKey(secretKey, true);
  });
  report({ bench: 'musig', what: 'points of one partial verification', side: 'floor', n: 1, figures: { ms } });
}

function ours(name: string, side: 'ours' | 'rival', curve: Curve, members: Party[]): void {
  const n = members.length;
  const musig = createMusig(curve);
  const message = random(32);
  const keys = timed(() => musig.keySet(members.map(({ publicKey }) => publicKey)));
  const keySet: KeySet = keys.result;
  const secret = new Map(members.map(({ publicKey, secretKey }) => [String(publicKey), secretKey]));
  const ordered = keySet.publicKeys.map(publicKey => ({ publicKey, secretKey: secret.get(String(publicKey))! }));
  const nonces = ordered.map(member => musig.newNonce({ ...member, keySet, message, random32: random(32) }));

  const aggregated = timed(() => musig.nonceAgg(nonces.map(({ publicNonce }) => publicNonce)));
  const session = timed(() => musig.session({ keySet, aggNonce: aggregated.result, message }));
  const partials = nonces.map((nonce, i) => nonce.sign(session.result, ordered[i]!.secretKey));
  const verified = timed(() =>
    partials.every((sig, i) =>
      session.result.verifyPartial({ publicKey: ordered[i]!.publicKey, publicNonce: nonces[i]!.publicNonce, sig }),
    ),
  );
  const signature = timed(() => session.result.aggregate(partials));
  if (!verified.result || !curve.verifySchnorr(message, keySet.outputKey, signature.result))
    throw new Error('the signature is not valid');
  const round = aggregated.cpuMs + session.cpuMs + verified.cpuMs + signature.cpuMs;
  report({
    bench: 'musig',
    what: `signing, ${name}`,
    side,
    n,
    figures: {
      keys_cpu_ms: keys.cpuMs,
      nonces_cpu_ms: aggregated.cpuMs,
      session_cpu_ms: session.cpuMs,
      verify_one_cpu_ms: verified.cpuMs / n,
      signature_cpu_ms: signature.cpuMs,
      coordinator_round_cpu_ms: round,
    },
  });
}

/** @scure/btc-signer's: the pure-JavaScript MuSig2 that others use. Some of its steps take minutes at 1,000. */
function theirs(members: Party[]): void {
  const n = members.length;
  const message = random(32);
  const publicKeys = scure.sortKeys(members.map(({ publicKey }) => publicKey));
  const keys = timed(() => scure.keyAggregate(publicKeys));
  const outputKey = scure.keyAggExport(keys.result);
  const secret = new Map(members.map(({ publicKey, secretKey }) => [String(publicKey), secretKey]));
  const nonces = publicKeys.map(publicKey =>
    scure.nonceGen(publicKey, secret.get(String(publicKey))!, outputKey, message),
  );
  const publicNonces = nonces.map(nonce => nonce.public);
  const aggregated = timed(() => scure.nonceAggregate(publicNonces));
  const session = timed(() => new scure.Session(aggregated.result, publicKeys, message));
  const some = Math.min(n, 5);
  const partials = publicKeys
    .slice(0, some)
    .map((publicKey, i) => session.result.sign(nonces[i]!.secret, secret.get(String(publicKey))!, true));
  const verified = timed(() => partials.every((sig, i) => session.result.partialSigVerify(sig, publicNonces, i)));
  if (!verified.result) throw new Error('a partial signature of the rival is not valid');
  const each = verified.cpuMs / some;
  report({
    bench: 'musig',
    what: 'signing, @scure/btc-signer',
    side: 'rival',
    n,
    figures: {
      keys_cpu_ms: keys.cpuMs,
      nonces_cpu_ms: aggregated.cpuMs,
      session_cpu_ms: session.cpuMs,
      verify_one_cpu_ms: each,
      coordinator_round_cpu_ms: aggregated.cpuMs + session.cpuMs + each * n,
    },
  });
}
