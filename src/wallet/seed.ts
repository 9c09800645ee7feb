import { expand, extract } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { entropyToMnemonic, mnemonicToSeedSync, validateMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { curve } from '#curve';
import type { Network } from '../bitcoin/network.ts';
import { type Bytes, utf8 } from '../crypto/index.ts';
import type { DerivedKind } from '../shell/keystore-content.ts';

/** 256 bits: 24 words. */
const ENTROPY = 32;
const SALT = utf8('btcr2-wallet/seed/v1');

/** 24 English words of a new seed (BIP-39). They are all that restores its keys: shown once, stored nowhere. */
export function newMnemonic(random: (length: number) => Bytes): string {
  const entropy = random(ENTROPY);
  try {
    return entropyToMnemonic(entropy, wordlist);
  } finally {
    entropy.fill(0);
  }
}

/** The words as BIP-39 spells them: lower case, one space between two. */
const spelled = (mnemonic: string): string => mnemonic.normalize('NFKD').trim().toLowerCase().split(/\s+/).join(' ');

/** Whether these are 12, 15, 18, 21 or 24 English words whose checksum is right (BIP-39). */
export const isMnemonic = (mnemonic: string): boolean => validateMnemonic(spelled(mnemonic), wordlist);

/**
 * The 32-byte root that a wallet keeps of its seed: HKDF-SHA256 of the BIP-39 seed (64 bytes, without a passphrase of
 * BIP-39's own), salt `btcr2-wallet/seed/v1`, info `root/<network>`. So one seed has other keys on every network, and the
 * words cannot be read back from a wallet. Throws TypeError, without quoting it, for what is no mnemonic. The caller
 * wipes it.
 */
export function rootOfMnemonic(mnemonic: string, network: Network): Bytes {
  if (!isMnemonic(mnemonic)) throw new TypeError('these are no 12 to 24 words of a seed (BIP-39, English)');
  const seed = mnemonicToSeedSync(spelled(mnemonic));
  const prk = extract(sha256, seed, SALT);
  try {
    return expand(sha256, prk, utf8(`root/${network}`), 32);
  } finally {
    seed.fill(0);
    prk.fill(0);
  }
}

/**
 * Key number `counter` of a kind (32 bytes): HKDF-Expand-SHA256 of the root, info `<kind>/<counter>`; where that is no
 * secp256k1 secret, which nobody will ever see, `<kind>/<counter>/1` and on. There is no such thing for cohort keys: a
 * second device made from the same words could sign beside the first with other nonces. Throws TypeError for a kind that
 * a seed does not make. The caller wipes it.
 */
export function deriveSecret(root: Bytes, kind: DerivedKind, counter: number): Bytes {
  if (kind !== 'did' && kind !== 'transport' && kind !== 'nonces' && kind !== 'state')
    throw new TypeError(`no seed makes a ${kind} key`);
  if (!Number.isSafeInteger(counter) || counter < 0) throw new TypeError('a counter is a whole number from 0 on');
  const name = `${kind}/${counter}`;
  let secret = expand(sha256, root, utf8(name), 32);
  for (let i = 1; !curve.isSecretKey(secret); i++) secret = expand(sha256, root, utf8(`${name}/${i}`), 32);
  return secret;
}
