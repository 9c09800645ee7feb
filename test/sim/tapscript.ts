import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import * as scure from '@scure/btc-signer';

type Bytes = Uint8Array;

/** The output that an input spends. */
export interface Prevout {
  script_hex: string;
  value_sats: number;
}

const TAPSCRIPT = 0xc0;
const ANNEX = 0x50;
const CONTROL_BASE = 33;
const NODE = 32;
const SIGNATURE = 64;
const DISABLED = 0x8000_0000;
const SECONDS = 0x0040_0000;
const BLOCKS = 0xffff;
const LIBERAL = { allowUnknownOutputs: true, allowUnknownInputs: true, disableScriptCheck: true };

const bytesOf = (hex: string): Bytes => Uint8Array.from(Buffer.from(hex, 'hex'));
const hexOf = (bytes: Bytes): string => Buffer.from(bytes).toString('hex');
const isSame = (a: Bytes, b: Bytes): boolean => hexOf(a) === hexOf(b);
const tagged = (tag: string, ...parts: Bytes[]): Bytes => schnorr.utils.taggedHash(tag, ...parts);

/** What a signature of the first input signs under SIGHASH_DEFAULT: in a leaf, or, without one, by the key path (BIP-341). */
export function sighashOf(hex: string, { script_hex, value_sats }: Prevout, leaf?: Bytes): Bytes {
  const tx = scure.Transaction.fromRaw(bytesOf(hex), LIBERAL);
  return tx.preimageWitnessV1(0, [bytesOf(script_hex)], 0, [BigInt(value_sats)], -1, leaf, leaf && TAPSCRIPT);
}

/** Whether a BIP-340 signature verifies; never throws. */
export function isSignature(message: Bytes, key: Bytes, signature: Bytes): boolean {
  try {
    return signature.length === SIGNATURE && schnorr.verify(signature, message, key);
  } catch {
    return false;
  }
}

/**
 * Why a node refuses what the only input of a transaction shows for the Taproot output that it spends, or null: one
 * signature of the output key, or a leaf of its tree whose script runs to its end (BIP-341, BIP-342). It shares no code
 * with what it judges: sighash and scripts are another library's.
 */
export function taprootProblem(hex: string, prevout: Prevout): string | null {
  const { inputs, witnesses = [] } = scure.RawTx.decode(bytesOf(hex));
  const [input] = inputs;
  const witness = witnesses[0] ?? [];
  if (!input || inputs.length !== 1) return 'one input is due';
  if (input.finalScriptSig.length > 0) return 'the script of the input is not empty';
  if (!/^5120[0-9a-f]{64}$/.test(prevout.script_hex)) return 'no Taproot output is spent';
  if (witness.at(-1)?.[0] === ANNEX && witness.length > 1) return 'an annex';
  const key = bytesOf(prevout.script_hex).slice(2);
  if (witness.length === 0) return 'no witness';
  if (witness.length === 1)
    return isSignature(sighashOf(hex, prevout), key, witness[0]!) ? null : 'the output key did not sign';
  const [script, control] = witness.slice(-2) as [Bytes, Bytes];
  if (!commitsTo(key, script, control)) return 'the output has no such leaf';
  const { version } = scure.RawTx.decode(bytesOf(hex));
  return run(script, witness.slice(0, -2), { message: sighashOf(hex, prevout, script), version, ...input });
}

/** Whether an output key has a leaf: by its script and control block, of tapscript's version. */
function commitsTo(outputKey: Bytes, script: Bytes, control: Bytes): boolean {
  const path = control.length - CONTROL_BASE;
  if (path < 0 || path % NODE !== 0 || (control[0]! & 0xfe) !== TAPSCRIPT) return false;
  const internal = control.slice(1, CONTROL_BASE);
  let hash = tagged('TapLeaf', Uint8Array.of(TAPSCRIPT), scure.RawWitness.encode([script]).slice(1));
  for (let at = CONTROL_BASE; at < control.length; at += NODE) {
    const pair = [hash, control.slice(at, at + NODE)].sort((a, b) => (hexOf(a) < hexOf(b) ? -1 : 1));
    hash = tagged('TapBranch', ...pair);
  }
  try {
    const tweak = BigInt(`0x${hexOf(tagged('TapTweak', internal, hash))}`);
    const point = schnorr.utils.lift_x(BigInt(`0x${hexOf(internal)}`)).add(secp256k1.Point.BASE.multiply(tweak));
    const output = point.toBytes(true);
    return isSame(output.slice(1), outputKey) && output[0]! - 2 === (control[0]! & 1);
  } catch {
    return false;
  }
}

interface Spend {
  message: Bytes;
  version: number;
  sequence: number;
}

const numberOf = (item: Bytes): number => Number(scure.ScriptNum(5).decode(item));
const isTrue = (item: Bytes): boolean => numberOf(item) !== 0;

/** The few operations that leaves of beacons have; any other, and any fault, in words. */
function run(script: Bytes, stack: Bytes[], spend: Spend): string | null {
  const pop = (): Bytes => {
    const item = stack.pop();
    if (!item) throw new Error('too few items');
    return item;
  };
  const push = (value: number | boolean): void => {
    stack.push(scure.ScriptNum().encode(BigInt(Number(value))));
  };
  /** An empty signature counts as none given; a wrong one ends the script (BIP-342). */
  const signed = (key: Bytes, signature: Bytes): boolean => {
    if (key.length !== NODE) throw new Error('no x-only key');
    if (signature.length === 0) return false;
    if (!isSignature(spend.message, key, signature)) throw new Error('a signature does not verify');
    return true;
  };
  const operations: Record<string, () => void> = {
    CHECKSIG() {
      const key = pop();
      push(signed(key, pop()));
    },
    CHECKSIGADD() {
      const key = pop();
      const count = numberOf(pop());
      push(count + Number(signed(key, pop())));
    },
    NUMEQUAL() {
      const due = numberOf(pop());
      push(numberOf(pop()) === due);
    },
    DROP: () => void pop(),
    CHECKSEQUENCEVERIFY() {
      const due = numberOf(stack.at(-1) ?? new Uint8Array());
      const { version, sequence } = spend;
      if (due < 0 || (due & SECONDS) !== 0) throw new Error('a delay in blocks is due');
      if (version < 2 || sequence >= DISABLED || (sequence & SECONDS) !== 0 || (sequence & BLOCKS) < (due & BLOCKS))
        throw new Error('the sequence is lower than the delay');
    },
  };
  try {
    for (const part of scure.Script.decode(script))
      if (typeof part === 'number') push(part);
      else if (typeof part !== 'string') stack.push(part);
      else if (operations[part]) operations[part]();
      else return `${part} is in no leaf of a beacon`;
    return stack.length === 1 && isTrue(stack[0]!) ? null : 'the script does not end with one that is true';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Blocks that an output has to be deep before a transaction of this version and sequence may spend it (BIP-68). */
export function blocksDue({ version, sequence }: { version: number; sequence: number }): number {
  if (version < 2 || sequence >= DISABLED) return 0;
  return (sequence & SECONDS) === 0 ? sequence & BLOCKS : Number.POSITIVE_INFINITY;
}

/** The leaf by which so many of these members (33-byte keys in hex, in any order) sign together. */
export const multisigLeaf = (members: readonly string[], threshold: number): Bytes =>
  scure.p2tr_ms(
    threshold,
    [...members].sort().map(key => bytesOf(key).slice(1)),
  ).script;

/** The leaf by which a key (x-only, hex) signs alone after so many blocks. */
export const delayedLeaf = (key: string, blocks: number): Bytes =>
  scure.Script.encode([
    blocks <= 16 ? blocks : scure.ScriptNum().encode(BigInt(blocks)),
    'CHECKSEQUENCEVERIFY',
    'DROP',
    bytesOf(key),
    'CHECKSIG',
  ]);

const twice = (bytes: Bytes): Bytes => sha256(sha256(bytes));

/** The unsigned transaction of a PSBT. */
export function unsignedOf(psbt: string): { hex: string; txid: string } {
  const unsigned = scure.Transaction.fromPSBT(Uint8Array.from(Buffer.from(psbt, 'base64')), LIBERAL).unsignedTx;
  return { hex: hexOf(unsigned), txid: hexOf(twice(unsigned).reverse()) };
}

/** What a transaction (hex) spends, and the 32 bytes of its last output, if that is an OP_RETURN of so many. */
export function signalOf(hex: string): { outpoint: string; bytes: string | null; leaf: string | null } {
  const { inputs, outputs, witnesses } = scure.RawTx.decode(bytesOf(hex));
  const [input] = inputs;
  const said = /^6a20([0-9a-f]{64})$/.exec(hexOf(outputs.at(-1)?.script ?? new Uint8Array()));
  const leaf = witnesses?.[0]?.at(-2);
  return {
    outpoint: input ? `${hexOf(input.txid)}:${input.index}` : '',
    bytes: said?.[1] ?? null,
    leaf: leaf ? hexOf(leaf) : null,
  };
}
