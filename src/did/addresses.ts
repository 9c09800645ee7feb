import { ripemd160 } from '@noble/hashes/legacy.js';
import { bech32, bech32m, createBase58check } from '@scure/base';
import { curve } from '#curve';
import { ADDRESS_HRP, type Network } from '../bitcoin/network.ts';
import { type Bytes, concatBytes, sha256, taggedHash } from '../crypto/index.ts';

const base58check = createBase58check(sha256);

/** The three addresses of one key: each is a beacon that its holder alone can signal with. */
export interface SingletonAddresses {
  p2pkh: string;
  p2wpkh: string;
  p2tr: string;
}

/**
 * The P2PKH, P2WPKH (BIP-141) and P2TR (BIP-341 key path without scripts, as in BIP-86) addresses of a 33-byte
 * compressed key. Every network but mainnet and regtest uses testnet's prefixes. Throws a TypeError if the bytes are
 * no point.
 */
export function singletonAddresses(publicKey: Bytes, network: Network): SingletonAddresses {
  if (!curve.isCompressedPoint(publicKey)) throw new TypeError('not a compressed secp256k1 public key');
  const keyHash = ripemd160(sha256(publicKey));
  const hrp = ADDRESS_HRP[network];
  return {
    p2pkh: base58check.encode(concatBytes(Uint8Array.of(network === 'bitcoin' ? 0x00 : 0x6f), keyHash)),
    p2wpkh: bech32.encode(hrp, [0, ...bech32.toWords(keyHash)]),
    p2tr: bech32m.encode(hrp, [1, ...bech32m.toWords(taprootOutputKey(publicKey.subarray(1)))]),
  };
}

/** BIP-341 output key of an x-only internal key without a script tree, 32 bytes. */
function taprootOutputKey(internalKey: Bytes): Bytes {
  const point = curve.liftX(internalKey);
  const output = point && curve.pointAddTweak(point, taggedHash('TapTweak', internalKey), true);
  if (!output) throw new TypeError('the tweaked key is infinity');
  return output.subarray(1);
}
