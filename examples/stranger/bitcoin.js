// The beacon's address and its transactions, byte for byte; MuSig2; and a node that is asked about the chain.
import { readFileSync } from 'node:fs';
import { schnorr } from '@noble/curves/secp256k1.js';
import { bech32m } from '@scure/base';
import { keyAggExport, keyAggregate, nonceGen, Session, sortKeys } from '@scure/btc-signer/musig2.js';
import { concat, hex, sha256, tagged, unhex } from './bytes.js';

const HRP = { bitcoin: 'bc', regtest: 'bcrt' };
const DUST = 330;
const u32 = n => new Uint8Array(Uint32Array.of(n).buffer);
const u64 = n => new Uint8Array(BigUint64Array.of(BigInt(n)).buffer);
const reversed = id => unhex(id).reverse();

/** A P2TR address of an output key (x-only bytes), and its script in hex. */
function p2tr(outputKey, network) {
  const address = bech32m.encode(HRP[network] ?? 'tb', [1, ...bech32m.toWords(outputKey)]);
  return { address, script: `5120${hex(outputKey)}` };
}

/** The n-of-n beacon of compressed keys (hex): sorted keys, BIP-341 tweak for no script tree, address, script. */
export function beaconOf(keys, network) {
  const sorted = sortKeys(keys.map(unhex));
  const tweak = tagged('TapTweak', keyAggExport(keyAggregate(sorted)));
  const outputKey = keyAggExport(keyAggregate(sorted, [tweak], [true]));
  return { keys: sorted.map(hex), tweak, outputKey, ...p2tr(outputKey, network) };
}

/** The key-path address of one key (compressed, hex): for the SingletonBeacon. */
export function singleAddress(key, network) {
  const point = schnorr.utils.lift_x(BigInt(`0x${key.slice(2)}`));
  const tweak = schnorr.Point.Fn.fromBytes(tagged('TapTweak', unhex(key.slice(2))));
  return p2tr(schnorr.Point.BASE.multiply(tweak).add(point).toBytes(true).slice(1), network).address;
}

/** The fees of all steps, from the first one's on: "fee_ladder" of the terms. */
export function feesOf(first, ladder, cap) {
  const fees = [first];
  while (fees.length < (ladder?.steps ?? 1) && fees.at(-1) + 154 <= cap)
    fees.push(Math.min(cap, Math.max(fees.at(-1) * ladder.factor, fees.at(-1) + 154)));
  return fees;
}

/** The one transaction that outpoint, fee and signal bytes make: unsigned, txid, sighash, and its exact PSBT. */
export function signalTransaction(beacon, { txid, vout, value }, fee, signalBytes) {
  const script = unhex(beacon.script);
  const change = value - fee;
  const output = (sats, bytes) => concat(u64(sats), Uint8Array.of(bytes.length), bytes);
  const outputs = [...(change < DUST ? [] : [output(change, script)]), output(0, unhex(`6a20${signalBytes}`))];
  const outpoint = concat(reversed(txid), u32(vout));
  const sequence = unhex('fdffffff');
  const unsigned = concat(
    u32(2),
    Uint8Array.of(1),
    outpoint,
    Uint8Array.of(0),
    sequence,
    Uint8Array.of(outputs.length),
    ...outputs,
    u32(0),
  );
  const sighash = tagged(
    'TapSighash',
    concat(
      Uint8Array.of(0, 0),
      u32(2),
      u32(0),
      sha256(outpoint),
      sha256(u64(value)),
      sha256(concat(Uint8Array.of(script.length), script)),
      sha256(sequence),
      sha256(concat(...outputs)),
      Uint8Array.of(0),
      u32(0),
    ),
  );
  const witnessUtxo = output(value, script);
  const psbt = concat(
    unhex('70736274ff0100'),
    Uint8Array.of(unsigned.length),
    unsigned,
    Uint8Array.of(0),
    Uint8Array.of(1, 1, witnessUtxo.length),
    witnessUtxo,
    new Uint8Array(1 + outputs.length),
  );
  return { unsigned: hex(unsigned), txid: hex(sha256(sha256(unsigned)).reverse()), sighash, psbt: hex(psbt) };
}

/** Outpoint and change in a PSBT (hex), as a hint what to rebuild: nothing of it is believed. */
export function readPsbt(psbt) {
  const view = Buffer.from(psbt, 'hex');
  const tx = view.subarray(8, 8 + view[7]);
  if (view.subarray(0, 7).toString('hex') !== '70736274ff0100' || tx.length < 80 || tx[4] !== 1) return null;
  const change = tx[46] === 2 ? Number(tx.readBigUInt64LE(47)) : 0;
  return { txid: hex(Uint8Array.from(tx.subarray(5, 37)).reverse()), vout: tx.readUInt32LE(37), change };
}

/** The signed transaction if it is `unsigned` with one valid key-path signature of the beacon, else false. */
export function signedRight(transaction, tx, beacon) {
  const sig = transaction.slice(-136, -8);
  const body = tx.unsigned;
  if (transaction !== `${body.slice(0, 8)}0001${body.slice(8, -8)}0140${sig}${body.slice(-8)}`) return false;
  try {
    return schnorr.verify(unhex(sig), tx.sighash, beacon.outputKey);
  } catch {
    return false;
  }
}

/** A fresh nonce of BIP-327: the public half in hex, the secret half for memory only. */
export function freshNonce(secret, publicKey, beacon, sighash) {
  const nonce = nonceGen(unhex(publicKey), unhex(secret), beacon.outputKey, sighash);
  const points = [hex(nonce.public.slice(0, 33)), hex(nonce.public.slice(33))];
  return { points, secretNonce: nonce.secret };
}

/** The partial signature (hex); the secret nonce is zeroed, so it cannot sign again. */
export function partialSign(secretNonce, secret, beacon, points, sighash) {
  const session = new Session(unhex(points.join('')), beacon.keys.map(unhex), sighash, [beacon.tweak], [true]);
  const sig = hex(session.sign(secretNonce, unhex(secret)));
  secretNonce.fill(0);
  return sig;
}

/** The node could not be asked, or did not answer: time may cure it. */
export class ChainError extends Error {}

/** A bitcoind: what a member asks of its own view of the chain. Throws ChainError. */
export function bitcoind(url, cookieFile) {
  const rpc = async (method, ...params) => {
    try {
      const authorization = `Basic ${Buffer.from(readFileSync(cookieFile, 'utf8').trim()).toString('base64')}`;
      const body = JSON.stringify({ id: 1, method, params });
      const { result, error } = await (await fetch(url, { method: 'POST', headers: { authorization }, body })).json();
      if (error) throw new Error(error.message);
      return result;
    } catch (error) {
      throw new ChainError(`${method}: ${error.message}`);
    }
  };

  // Blocks are walked from the first on, since a pruned view could hide a use of the address.
  const seen = new Map(); // script -> {tip, height, uses}
  const history = async script => {
    let state = seen.get(script) ?? { tip: null, height: -1, uses: [] };
    if (state.tip !== null && (await rpc('getblockheader', state.tip)).confirmations < 0)
      state = { tip: null, height: -1, uses: [] };
    const top = await rpc('getblockcount');
    while (state.height < top) {
      const block = await rpc('getblock', await rpc('getblockhash', state.height + 1), 3);
      if (state.tip !== null && block.previousblockhash !== state.tip) return history(script); // a reorganization
      for (const tx of block.tx) {
        const spent = tx.vin.find(input => input.prevout?.scriptPubKey.hex === script);
        if (!spent && !tx.vout.some(output => output.scriptPubKey.hex === script)) continue;
        const last = tx.vout.at(-1).scriptPubKey.hex;
        const signal = spent && /^6a20[0-9a-f]{64}$/.test(last) ? last.slice(4) : null;
        const outpoints = tx.vin.map(input => `${input.txid}:${input.vout}`);
        state.uses.push({ txid: tx.txid, height: block.height, time: block.time, signal, outpoints });
      }
      state = { tip: block.hash, height: block.height, uses: state.uses };
    }
    seen.set(script, state);
    return { height: state.height, uses: state.uses };
  };

  return {
    history,
    /** An unspent output in the confirmed chain, or null. */
    output: async (txid, vout) => {
      const found = await rpc('gettxout', txid, vout, false);
      if (found === null) return null;
      const { confirmations, coinbase, scriptPubKey } = found;
      return { confirmations, coinbase, script: scriptPubKey.hex, value: Math.round(found.value * 1e8) };
    },
    broadcast: transaction => rpc('sendrawtransaction', transaction),
    /** Whether any of these transactions is in the node's pool. */
    inMempool: async txids => (await rpc('getrawmempool')).some(txid => txids.includes(txid)),
  };
}
