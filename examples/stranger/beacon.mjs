// Keys, address, transaction and evidence: what a member recomputes before it signs.
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { base64, bech32m } from '@scure/base';
import { Transaction } from '@scure/btc-signer';
import { keyAggExport, keyAggregate, nonceGen, Session } from '@scure/btc-signer/musig2.js';
import { hex, taggedHash, unhex } from './wire.mjs';

const NETWORKS = ['bitcoin', 'signet', 'regtest', 'testnet3', 'testnet4', 'mutinynet'];
const ADDRESS = { bitcoin: 'bc', regtest: 'bcrt' };

/** The `k` identifier of a compressed key. */
export const didOfKey = (compressed, network) =>
  `did:btcr2:${bech32m.encode('k', bech32m.toWords(Uint8Array.of(NETWORKS.indexOf(network), ...unhex(compressed))))}`;

/** BIP-327 over sorted keys, BIP-341 without scripts. */
export function keySet(participantPubkeys, network) {
  const keys = participantPubkeys.map(key => unhex(key));
  const internal = keyAggExport(keyAggregate(keys));
  const tweak = taggedHash('TapTweak', internal);
  const output = keyAggExport(keyAggregate(keys, [tweak], [true]));
  const address = bech32m.encode(ADDRESS[network] ?? 'tb', [1, ...bech32m.toWords(output)]);
  return { keys, tweak, output, address, script: concatBytes(Uint8Array.of(0x51, 0x20), output) };
}

export const isSorted = keys => keys.every((key, i) => i === 0 || keys[i - 1] < key);

/** The signal that these parts make. */
function build(prevout, { script }, signalBytes, fee) {
  const tx = new Transaction({ version: 2, lockTime: 0, allowUnknownOutputs: true });
  tx.addInput({
    txid: unhex(prevout.txid),
    index: prevout.vout,
    sequence: 0xfffffffd,
    witnessUtxo: { script, amount: prevout.value },
  });
  const change = prevout.value - fee;
  if (change >= 330n) tx.addOutput({ script, amount: change });
  tx.addOutput({ script: concatBytes(Uint8Array.of(0x6a, 0x20), unhex(signalBytes)), amount: 0n });
  return tx;
}

/** Reads the PSBT of a request and builds its own: null where the two differ by a byte. */
export function readSignal(psbt, beacon, signalBytes) {
  const asked = Transaction.fromPSBT(base64.decode(psbt), { allowUnknownOutputs: true });
  const { txid, index, witnessUtxo } = asked.getInput(0);
  const prevout = { txid: hex(txid), vout: index, value: witnessUtxo.amount };
  let paid = 0n;
  for (let i = 0; i < asked.outputsLength; i++) paid += asked.getOutput(i).amount;
  const fee = prevout.value - paid;
  const own = build(prevout, beacon, signalBytes, fee);
  if (base64.encode(own.toPSBT(0)) !== psbt) return null;
  return {
    prevout,
    fee,
    txid: hex(sha256(sha256(own.unsignedTx)).reverse()),
    sighash: own.preimageWitnessV1(0, [beacon.script], 0, [prevout.value]),
  };
}

export function drawNonce(key, beacon, sighash) {
  const drawn = nonceGen(unhex(key.compressed), key.secret, beacon.output, sighash);
  return { secret: drawn.secret, points: [hex(drawn.public.slice(0, 33)), hex(drawn.public.slice(33))] };
}

export const signPartially = (key, beacon, sighash, secretNonce, aggNonce) =>
  hex(
    new Session(unhex(aggNonce.join('')), beacon.keys, sighash, [beacon.tweak], [true]).sign(secretNonce, key.secret),
  );

export const isPoint = point => {
  try {
    return secp256k1.Point.fromHex(point) !== null;
  } catch {
    return false;
  }
};

const ZERO = [sha256(new Uint8Array(64))];
while (ZERO.length < 257) ZERO.push(sha256(concatBytes(ZERO.at(-1), ZERO.at(-1))));
const same = (a, b) => hex(a) === hex(b);
const bytes32 = text => {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length !== 32) throw new Error('not 32 bytes');
  return Uint8Array.from(bytes);
};

/** Whether a proof shows this announcement (hex), or with null a registered DID without an update, under these signal bytes. */
export function verifyProof(proof, did, signalBytes, announcement, bitOrder) {
  const { id, nonce, updateId, collapsed, hashes } = proof;
  if (hex(bytes32(id)) !== signalBytes || nonce === undefined) return false;
  if ((updateId === undefined ? null : hex(bytes32(updateId))) !== announcement) return false;
  const bit = (bytes, i) => {
    const at = bitOrder === 'lsb' ? 255 - i : i;
    return (bytes[at >> 3] >> (7 - (at & 7))) & 1;
  };
  const index = sha256(utf8ToBytes(did));
  const empty = bytes32(collapsed);
  const rest = hashes.map(bytes32);
  const hidden = sha256(bytes32(nonce));
  let node = sha256(updateId === undefined ? hidden : concatBytes(hidden, bytes32(updateId)));
  for (let n = 0; n < 256; n++) {
    const i = 255 - n;
    const sibling = bit(empty, i) ? ZERO[n] : rest.shift();
    if (sibling === undefined || (!bit(empty, i) && same(sibling, ZERO[n]))) return false;
    node = sha256(bit(index, i) ? concatBytes(sibling, node) : concatBytes(node, sibling));
  }
  return rest.length === 0 && hex(node) === signalBytes;
}
