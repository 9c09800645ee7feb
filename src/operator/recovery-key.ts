import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { curve } from '#curve';
import { addressToScript, buildSpend, finalizeRecovery, leafSighash } from '../bitcoin/index.ts';
import { beaconOf, treeKeysOf } from '../cohort/keys.ts';
import { type Bytes, toHex } from '../crypto/index.ts';
import { parseSecretKey } from '../nostr/keys.ts';
import { OperatorError, type RecoveryOffer } from './api.ts';

/** x-only form (hex) of a recovery key, as terms name it. */
const publicOf = (secret: Bytes): string => toHex(curve.publicKey(secret).subarray(1));

/**
 * Draws a recovery key into a new file of mode 0600, and returns its x-only form (hex). Throws OperatorError `exists`
 * rather than to write over a file: a key that terms name cannot be replaced.
 */
export function createRecoveryKey(file: string, random: (length: number) => Bytes): string {
  if (existsSync(file)) throw new OperatorError('exists', `${file} exists, and is not written over`);
  let secret = random(32);
  while (!curve.isSecretKey(secret)) secret = random(32);
  try {
    writeFileSync(file, `${toHex(secret)}\n`, { mode: 0o600, flag: 'wx' });
    return publicOf(secret);
  } finally {
    secret.fill(0);
  }
}

/** Lends the secret of a recovery key file, wiped afterwards. Throws OperatorError for a file that is none, or that others can read. */
function withRecoveryKey<T>(file: string, use: (secret: Bytes) => T): T {
  if (!existsSync(file)) throw new OperatorError('bad_key', `there is no file ${file}`);
  if ((statSync(file).mode & 0o077) !== 0)
    throw new OperatorError('bad_key', `${file} can be read by others: chmod 600 ${file}`);
  const secret = parseSecretKey(readFileSync(file, 'utf8'));
  if (!secret) throw new OperatorError('bad_key', `${file} holds no key: 64 hex digits or an nsec, alone`);
  try {
    return use(secret);
  } finally {
    secret.fill(0);
  }
}

/** Throws OperatorError `bad_key` for a file that does not hold the recovery key of these terms. */
export function requireRecoveryKey(policy: RecoveryOffer['policy'], file: string): void {
  if (policy.type !== 'fallback') throw new OperatorError('refused', 'the terms have no recovery key');
  withRecoveryKey(file, secret => requireKey(policy, secret, file));
}

function requireKey({ recovery_key }: { recovery_key: string }, secret: Bytes, file: string): void {
  if (publicOf(secret) !== recovery_key)
    throw new OperatorError('bad_key', `${file} is not the recovery key of these terms, ${recovery_key}`);
}

/**
 * Signs what the daemon offers, after building it anew: the same output of the beacon of these members, to the address that
 * was typed, and nothing else. The secret never leaves this process. Throws OperatorError for another key than the terms
 * name, and for an offer that is not what it says.
 */
export function signRecovery(offer: RecoveryOffer, { file, to, random }: RecoveryRequest): string {
  const { participant_pubkeys, network, policy, outpoint, fee_sats } = offer;
  const keys = treeKeysOf(participant_pubkeys, policy);
  if (policy.type !== 'fallback' || !keys) throw new OperatorError('refused', 'the terms have no recovery key');
  const { script_hex: scriptHex } = beaconOf(participant_pubkeys, network, policy);
  const { unsignedHex } = buildSpend({
    prevout: outpoint,
    scriptHex,
    toHex: addressToScript(to, network),
    feeSats: fee_sats,
    delayBlocks: policy.recovery_delay_blocks,
  });
  if (unsignedHex !== offer.unsigned_hex)
    throw new OperatorError('refused', 'the aggregator offers another transaction than the one that was asked for');
  return withRecoveryKey(file, secret => {
    requireKey(policy, secret, file);
    const message = leafSighash(unsignedHex, { scriptHex, valueSats: outpoint.value_sats }, keys.tree.recovery);
    return finalizeRecovery(unsignedHex, keys, curve.signSchnorr(message, secret, random(32))).hex;
  });
}

interface RecoveryRequest {
  /** The file of the recovery key. */
  file: string;
  /** Where the money goes: an address. */
  to: string;
  random: (length: number) => Bytes;
}
