// did:btcr2 as far as a member needs it: an x identifier, signed updates, evidence, the sidecar.
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { base58, bech32m } from '@scure/base';
import { b64u, concat, hex, jcsHash, sha256, sign, unhex, utf8, verified } from './bytes.js';

const NETWORKS = { bitcoin: 0, signet: 1, regtest: 2, testnet3: 3, testnet4: 4, mutinynet: 5 };
const PLACEHOLDER = 'did:btcr2:_';
const CONTEXT = [
  'https://w3id.org/json-ld-patch/v1',
  'https://w3id.org/zcap/v1',
  'https://w3id.org/security/data-integrity/v2',
  'https://btcr2.dev/context/v1',
];

export const publicKey = secret => hex(secp256k1.getPublicKey(unhex(secret), true));
const identifier = (prefix, network, bytes) =>
  `did:btcr2:${bech32m.encode(prefix, bech32m.toWords(concat(Uint8Array.of(NETWORKS[network]), bytes)), false)}`;

/** The `k` identifier of a compressed key: that of an aggregator is made of 02 and its x-only identity. */
export const keyDid = (key, network) => identifier('k', network, unhex(key));

/** Puts one identifier in place of another, everywhere in a document. */
const rename = (document, from, to) => JSON.parse(JSON.stringify(document).replaceAll(from, to));

/** An x identifier, made of its first document: one key, and the beacons given as [name, type, address]. */
export function createDid(secret, network, beacons) {
  const key = `${PLACEHOLDER}#key-0`;
  const multikey = `z${base58.encode(concat(Uint8Array.of(0xe7, 0x01), unhex(publicKey(secret))))}`;
  const genesis = {
    '@context': ['https://www.w3.org/ns/did/v1.1', 'https://btcr2.dev/context/v1'],
    id: PLACEHOLDER,
    verificationMethod: [{ id: key, type: 'Multikey', controller: PLACEHOLDER, publicKeyMultibase: multikey }],
    authentication: [key],
    assertionMethod: [key],
    capabilityInvocation: [key],
    capabilityDelegation: [key],
    service: beacons.map(([name, type, address]) => ({
      id: `${PLACEHOLDER}#${name}`,
      type,
      serviceEndpoint: `bitcoin:${address}`,
    })),
  };
  return { did: identifier('x', network, jcsHash(genesis)), genesis };
}

export const announcementOf = update => hex(jcsHash(update));
export const indexOf = did => hex(sha256(utf8(did)));

/** JSON Patch (RFC 6902), the three operations that this wallet makes. */
function patched(document, patch) {
  const result = structuredClone(document);
  for (const { op, path, value } of patch) {
    const keys = path
      .split('/')
      .slice(1)
      .map(key => key.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = keys.pop();
    const at = keys.reduce((node, key) => node?.[key], result);
    if (!['add', 'replace', 'remove'].includes(op) || at === null || typeof at !== 'object')
      throw new Error(`cannot patch ${op} ${path}`);
    if (Array.isArray(at))
      at.splice(last === '-' ? at.length : Number(last), op === 'add' ? 0 : 1, ...(op === 'remove' ? [] : [value]));
    else if (op === 'remove') delete at[last];
    else at[last] = value;
  }
  return result;
}

/** What bip340-jcs-2025 signs: the hash of the two hashes. */
function proofHash({ proof, ...document }) {
  const { proofValue, ...config } = proof;
  return sha256(concat(jcsHash(config), jcsHash(document)));
}

/** Whether a data integrity proof is by this key (compressed, hex). */
export function proofVerified(document, key) {
  try {
    return verified(hex(base58.decode(document.proof.proofValue.slice(1))), proofHash(document), key);
  } catch {
    return false;
  }
}

/** The signed update that takes `document` to its next version. */
export function signUpdate(document, version, patch, secret) {
  const target = patched(document, patch);
  const config = {
    '@context': CONTEXT,
    type: 'DataIntegrityProof',
    cryptosuite: 'bip340-jcs-2025',
    verificationMethod: `${document.id}#key-0`,
    proofPurpose: 'capabilityInvocation',
    capability: `urn:zcap:root:${encodeURIComponent(document.id)}`,
    capabilityAction: 'Write',
  };
  const update = {
    '@context': CONTEXT,
    patch,
    sourceHash: b64u.encode(jcsHash(document)),
    targetHash: b64u.encode(jcsHash(target)),
    targetVersionId: version + 1,
  };
  const signature = unhex(sign(proofHash({ ...update, proof: config }), secret));
  return { ...update, proof: { ...config, proofValue: `z${base58.encode(signature)}` } };
}

/** Resolves a DID of our own from its genesis document and updates; throws where any of them is wrong. */
export function resolved(did, genesis, updates, key) {
  let document = rename(genesis, PLACEHOLDER, did);
  let version = 1;
  for (const update of updates) {
    const next = patched(document, update.patch);
    if (update.targetVersionId !== version + 1) throw new Error('an update of another version');
    if (update.sourceHash !== b64u.encode(jcsHash(document))) throw new Error('an update of another document');
    if (update.targetHash !== b64u.encode(jcsHash(next)) || next.id !== did)
      throw new Error('an update to another document');
    if (!proofVerified(update, key)) throw new Error('an update that is not signed by the key of the DID');
    document = next;
    version += 1;
  }
  return { document, version };
}

const ZERO = [sha256(new Uint8Array(64))];
for (let n = 0; n < 256; n++) ZERO.push(sha256(concat(ZERO[n], ZERO[n])));

/** Whether an SMT proof shows `announcement` (hex, or null for none) of a DID under the signal bytes (hex). */
export function smtVerified(proof, did, announcement, signalBytes, order) {
  try {
    const bit = (x, i) => {
      const at = order === 'lsb' ? 255 - i : i;
      return (x[at >> 3] >> (7 - (at & 7))) & 1;
    };
    const { id, nonce, updateId, collapsed } = proof;
    const [index, skip, hashes] = [unhex(indexOf(did)), b64u.decode(collapsed), proof.hashes.map(h => b64u.decode(h))];
    if (skip.length !== 32 || hashes.some(h => h.length !== 32)) return false;
    if (hex(b64u.decode(id)) !== signalBytes) return false;
    if (announcement === null ? updateId !== undefined : hex(b64u.decode(updateId)) !== announcement) return false;
    if (nonce === undefined && updateId !== undefined) return false;
    let node = ZERO[0];
    if (nonce !== undefined) {
      if (b64u.decode(nonce).length !== 32) return false;
      const hashed = sha256(b64u.decode(nonce));
      node = sha256(announcement === null ? hashed : concat(hashed, unhex(announcement)));
    }
    for (let n = 0; n < 256; n++) {
      const i = 255 - n;
      const sibling = bit(skip, i) ? ZERO[n] : hashes.shift();
      if (sibling === undefined || (!bit(skip, i) && hex(sibling) === hex(ZERO[n]))) return false;
      node = sha256(bit(index, i) ? concat(sibling, node) : concat(node, sibling));
    }
    return hashes.length === 0 && hex(node) === signalBytes;
  } catch {
    return false;
  }
}

/** Whether a CAS map, whole, shows `announcement` (hex, or null for none) of a DID under the signal bytes. */
export function casVerified(map, did, announcement, signalBytes) {
  if (hex(jcsHash(map)) !== signalBytes) return false;
  return announcement === null ? !Object.hasOwn(map, did) : map[did] === b64u.encode(unhex(announcement));
}

/** What a resolver needs beside the chain: it holds no key. `evidence` is [{proof} or {map}], one a signal. */
export function sidecarOf(genesis, updates, evidence) {
  return {
    genesisDocument: genesis,
    updates,
    smtProofs: evidence.flatMap(item => (item.proof ? [item.proof] : [])),
    casUpdates: evidence.flatMap(item => (item.map ? [item.map] : [])),
  };
}
