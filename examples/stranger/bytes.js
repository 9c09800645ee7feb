// Bytes, hashes, BIP-340 and the canonical JSON that every hash of the protocol is made over.
import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import {
  concatBytes as concat,
  bytesToHex as hex,
  hexToBytes as unhex,
  utf8ToBytes as utf8,
} from '@noble/hashes/utils.js';
import { base64urlnopad as b64u } from '@scure/base';

export { b64u, concat, hex, schnorr, sha256, unhex, utf8 };

/** RFC 8785: keys sorted by UTF-16 units, no spaces; JSON.stringify already writes strings and numbers its way. */
export function jcs(value) {
  if (Array.isArray(value)) return `[${value.map(jcs).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const keys = Object.keys(value).sort();
  return `{${keys.map(key => `${JSON.stringify(key)}:${jcs(value[key])}`).join(',')}}`;
}

export const jcsHash = value => sha256(utf8(jcs(value)));

/** H_tag(x) of BIP-340. */
export function tagged(tag, bytes) {
  const t = sha256(utf8(tag));
  return sha256(concat(t, t, bytes));
}

/** What cohort keys and DID keys sign beside transactions: "Statements" of the document. */
export const statement = (name, content) => tagged(`did:btcr2/aggregation/${name}`, utf8(jcs(content)));
export const sign = (hash, secret) => hex(schnorr.sign(hash, unhex(secret)));

/** A BIP-340 signature under an x-only or compressed key, all hex; false for anything malformed. */
export function verified(sig, hash, key) {
  try {
    return schnorr.verify(unhex(sig), hash, unhex(key.slice(-64)));
  } catch {
    return false;
  }
}
