import { schnorr } from '@noble/curves/secp256k1.js';
import { describe, expect, test } from 'vitest';
import { curve } from '#curve';
import {
  beaconOutput,
  buildSignal,
  buildSpend,
  createMusig,
  fallbackTree,
  finalizeFallback,
  finalizeRecovery,
  finalizeSignal,
  leafSighash,
} from '../../src/bitcoin/index.ts';
import { draw, drawNonces, party } from '../bitcoin/helpers.ts';
import { createChain } from './chain.ts';
import { blocksDue, delayedLeaf, isSignature, multisigLeaf, sighashOf, signalOf, taprootProblem } from './tapscript.ts';

/** A judge that lets everything pass proves nothing: here is what the simulated chain takes, and what it does not. */
const musig = createMusig(curve);
const DELAY = 144;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

function world() {
  let now = 1_900_000_000;
  const chain = createChain('regtest', () => now++);
  const parties = [0, 1, 2].map(i => party(curve, 'tapscript', i));
  const recovery = party(curve, 'tapscript recovery');
  const members = parties.map(({ publicKey }) => publicKey);
  const policy = { threshold: 2, recovery_key: hex(recovery.publicKey.slice(1)), recovery_delay_blocks: DELAY };
  const tree = fallbackTree(members, policy);
  const keySet = musig.keySet(members, { merkleRoot: tree.merkleRoot });
  const { scriptHex, address } = beaconOutput(keySet, 'regtest');
  const txid = chain.deposit(address, 50_000);
  chain.mine();
  const prevout = { txid, vout: 0, value_sats: 50_000 };
  const spent = { script_hex: scriptHex, value_sats: 50_000 };
  const signal = buildSignal({ prevout, scriptHex, signalBytes: draw('bytes'), feeSats: 3_000 });
  const leaf = multisigLeaf(members.map(hex), 2);
  const sign = (message: Uint8Array, secret: Uint8Array): Uint8Array => schnorr.sign(message, secret, draw('aux'));
  const message = sighashOf(signal.unsignedHex, spent, leaf);
  const signatures = new Map(parties.map(each => [hex(each.publicKey.slice(1)), sign(message, each.secretKey)]));
  const keys = { keySet, tree };
  const whole = finalizeFallback(signal.unsignedHex, keys, signatures).hex;
  const submit = (raw: string) => chain.open((_, run) => run()).submit(raw);
  return { chain, parties, recovery, tree, keySet, keys, scriptHex, prevout, spent, signal, leaf, sign, whole, submit };
}

/** The same transaction with another witness. */
function witnessed(unsigned: string, items: readonly Uint8Array[]): string {
  const size = (length: number): string =>
    length < 0xfd ? hex(Uint8Array.of(length)) : `fd${hex(Uint8Array.of(length & 0xff, length >> 8))}`;
  const body = unsigned.slice(8, -8);
  const stack = items.map(item => size(item.length) + hex(item)).join('');
  return `${unsigned.slice(0, 8)}0001${body}${size(items.length)}${stack}${unsigned.slice(-8)}`;
}

describe('a spend by the fallback leaf', () => {
  test('is taken with two signatures of three, each in its place, and says what it says', async () => {
    const { whole, spent, prevout, leaf, submit, tree } = world();
    expect(hex(leaf)).toBe(hex(tree.fallback.script));
    expect(taprootProblem(whole, spent)).toBeNull();
    expect(signalOf(whole)).toEqual({
      outpoint: `${prevout.txid}:0`,
      bytes: hex(draw('bytes')),
      leaf: hex(leaf),
    });
    expect(await submit(whole)).toEqual({ accepted: true, already: false });
  });

  const first = ({ whole, leaf, signal, keys, parties, sign, spent }: ReturnType<typeof world>): Uint8Array[] => {
    const message = sighashOf(signal.unsignedHex, spent, leaf);
    const inOrder = keys.tree.signers.map(
      key => parties.find(({ publicKey }) => hex(publicKey.slice(1)) === hex(key))!.secretKey,
    );
    const control = bytes(whole.slice(-8 - 2 * 65, -8));
    // The first key takes what lies on top.
    return [new Uint8Array(0), sign(message, inOrder[1]!), sign(message, inOrder[0]!), leaf, control];
  };

  test.each<[string, (items: Uint8Array[], made: ReturnType<typeof world>) => Uint8Array[], RegExp]>([
    ['as it is', items => items, /^$/],
    ['too few', ([, b, , ...rest]) => [new Uint8Array(0), b!, new Uint8Array(0), ...rest], /does not end/],
    ['too many', ([, b, a, ...rest]) => [a!, b!, a!, ...rest], /does not verify/],
    ['in another order', ([, b, a, ...rest]) => [new Uint8Array(0), a!, b!, ...rest], /does not verify/],
    ['one of them spoilt', ([e, b, , ...rest]) => [e!, b!, new Uint8Array(64).fill(7), ...rest], /does not verify/],
    ['one item more', items => [new Uint8Array(0), ...items], /does not end/],
    ['one item less', ([, ...items]) => items, /too few/],
    [
      'a signature of the key path',
      ([e, b, , ...rest], { signal, spent, parties, sign }) => {
        const wrong = sign(sighashOf(signal.unsignedHex, spent), parties[0]!.secretKey);
        return [e!, b!, wrong, ...rest];
      },
      /does not verify/,
    ],
    [
      'another leaf',
      ([e, b, a, , control], { parties }) => {
        const other = multisigLeaf(
          parties.map(({ publicKey }) => hex(publicKey)),
          1,
        );
        return [e!, b!, a!, other, control!];
      },
      /no such leaf/,
    ],
    [
      'the other parity',
      ([e, b, a, leaf, control]) => {
        const wrong = Uint8Array.from(control!);
        wrong[0]! ^= 1;
        return [e!, b!, a!, leaf!, wrong];
      },
      /no such leaf/,
    ],
    [
      'another path',
      ([e, b, a, leaf, control]) => [e!, b!, a!, leaf!, Uint8Array.from(control!).fill(9, 40)],
      /no such leaf/,
    ],
    [
      'a longer path',
      ([e, b, a, leaf, control]) => {
        const long = new Uint8Array(control!.length + 32);
        long.set(control!);
        return [e!, b!, a!, leaf!, long];
      },
      /no such leaf/,
    ],
    ['an annex', items => [...items, Uint8Array.of(0x50, 1)], /annex/],
  ])('%s', async (_, change, reason) => {
    const made = world();
    const raw = witnessed(made.signal.unsignedHex, change(first(made), made));
    expect(taprootProblem(raw, made.spent) ?? '').toMatch(reason);
    expect((await made.submit(raw)).accepted).toBe(reason.source === '^$');
  });
});

test('a spend by all is taken, one by somebody else is not', async () => {
  const { keySet, parties, signal, spent, scriptHex, submit } = world();
  const message = sighashOf(signal.unsignedHex, spent);
  const ordered = keySet.publicKeys.map(key => parties.find(each => hex(each.publicKey) === hex(key))!);
  const nonces = drawNonces(musig, keySet, ordered, 'tapscript');
  const aggNonce = musig.nonceAgg(nonces.map(({ publicNonce }) => publicNonce));
  const session = musig.session({ keySet, aggNonce, message });
  const signature = session.aggregate(nonces.map((nonce, i) => nonce.sign(session, ordered[i]!.secretKey)));
  expect(isSignature(message, bytes(scriptHex.slice(4)), signature)).toBe(true);
  const forged = finalizeSignal(signal.unsignedHex, schnorr.sign(message, parties[0]!.secretKey, draw('aux')));
  expect(taprootProblem(forged.hex, spent)).toMatch(/did not sign/);
  expect(await submit(forged.hex)).toMatchObject({ accepted: false, code: 'rejected' });
  expect(await submit(finalizeSignal(signal.unsignedHex, signature).hex)).toMatchObject({ accepted: true });
});

describe('a spend by the recovery key', () => {
  const spend = (
    { prevout, scriptHex, keys, recovery, sign, tree, spent }: ReturnType<typeof world>,
    delay: number,
  ) => {
    const toHex = `5120${hex(draw('elsewhere'))}`;
    const { unsignedHex } = buildSpend({ prevout, scriptHex, toHex, feeSats: 500, delayBlocks: delay });
    const message = leafSighash(unsignedHex, { scriptHex, valueSats: spent.value_sats }, tree.recovery);
    return finalizeRecovery(unsignedHex, keys, sign(message, recovery.secretKey)).hex;
  };

  test('is taken once the output has lain for its delay, and not a block before', async () => {
    const made = world();
    expect(hex(delayedLeaf(hex(made.recovery.publicKey.slice(1)), DELAY))).toBe(hex(made.tree.recovery.script));
    const raw = spend(made, DELAY);
    made.chain.mine(DELAY - 2);
    expect(await made.submit(raw)).toEqual({ accepted: false, code: 'rejected', reason: 'non-BIP68-final' });
    expect(made.chain.premature()).toHaveLength(1);
    made.chain.mine();
    expect(await made.submit(raw)).toMatchObject({ accepted: true });
    made.chain.mine();
    expect(made.chain.isMined(made.chain.premature()[0]!)).toBe(true);
  });

  test('is none with a sequence that is lower than the leaf asks for', async () => {
    const made = world();
    made.chain.mine(DELAY);
    expect(await made.submit(spend(made, DELAY - 1))).toMatchObject({
      reason: expect.stringMatching(/lower than the delay/),
    });
  });

  test('waits again when a reorganization made its output too young', async () => {
    const made = world();
    made.chain.mine(DELAY - 1);
    const raw = spend(made, DELAY);
    expect(await made.submit(raw)).toMatchObject({ accepted: true });
    made.chain.reorg(3);
    expect(made.chain.mempool()).toEqual([]);
    expect(await made.submit(raw)).toMatchObject({ accepted: true });
  });
});

test('what a sequence asks for', () => {
  expect(blocksDue({ version: 2, sequence: 144 })).toBe(144);
  expect(blocksDue({ version: 1, sequence: 144 })).toBe(0);
  expect(blocksDue({ version: 2, sequence: 0xffff_fffd })).toBe(0);
  expect(blocksDue({ version: 2, sequence: 0x0040_0001 })).toBe(Number.POSITIVE_INFINITY);
});
