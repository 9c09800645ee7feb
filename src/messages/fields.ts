import { z } from 'zod';
import { NETWORKS } from '../bitcoin/network.ts';

const hexOf = (bytes: number, what: string) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`), `${what} is ${bytes} bytes of lowercase hex`);

export const hex16 = hexOf(16, 'an id');
export const hash32 = hexOf(32, 'a hash');
export const txid = hexOf(32, 'a transaction id');
export const xOnlyKey = hexOf(32, 'an x-only key');
export const compressedKey = z
  .string()
  .regex(/^0[23][0-9a-f]{64}$/, 'a compressed public key is 33 bytes of lowercase hex, starting 02 or 03');
export const schnorrSignature = hexOf(64, 'a BIP-340 signature');
export const partialSignature = hexOf(32, 'a partial signature');
/** One nonce: the two points of BIP-327. Zeros are the encoding of infinity, which an aggregate may be. */
export const noncePair = z.tuple([hexOf(33, 'a nonce point'), hexOf(33, 'a nonce point')]);

export const rawTransaction = z
  .string()
  .max(20_000)
  .regex(/^(?:[0-9a-f]{2})+$/, 'a transaction is lowercase hex');
export const psbt = z
  .string()
  .min(8)
  .max(20_000)
  .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'a PSBT is base64');

export const network = z.enum(NETWORKS);
export const satoshis = z
  .int()
  .min(0)
  .max(21_000_000 * 100_000_000);
export const seconds = z
  .int()
  .min(0)
  .max(10 * 365 * 86_400);
/** Unix seconds. */
export const timestamp = z.int().min(0).max(0xffff_ffff);
export const count = z.int().min(0).max(1_000_000);
export const blockHeight = z.int().min(0).max(0xffff_ffff);
export const bitcoinAddress = z.string().regex(/^[a-z0-9]{14,100}$/, 'an address is bech32m in lower case');
/** Any DID string; which method and network it is of is checked where it is used. */
export const did = z
  .string()
  .max(200)
  .regex(/^did:[a-z0-9]+:[A-Za-z0-9._:%-]+$/, 'a DID looks like did:btcr2:…');
/** Text for people: short, without control characters that could redraw a terminal. */
export const plainText = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^\P{Cc}*$/u, 'text without control characters');
/**
 * Makes words that quote a peer fit for `plainText(max)`: control characters and lone surrogates replaced, cut to length.
 * Without it a hostile quotation would make the answer that carries it unreadable.
 */
export const toPlainText = (text: string, max: number): string =>
  text.slice(0, max).replace(/[\p{Cc}\p{Cs}]/gu, '\uFFFD');

export const beaconType = z.enum(['SMTBeacon', 'CASBeacon']);
export const bitOrder = z.enum(['spec', 'lsb']);
