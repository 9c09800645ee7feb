import { hmac as nobleHmac } from '@noble/hashes/hmac.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import type { Bytes } from './bytes.ts';

/** SHA-256 wherever JavaScript runs. */
export const sha256 = (bytes: Bytes): Bytes => nobleSha256(bytes);

/** HMAC-SHA256 (RFC 2104) of one message. */
export const hmac = (key: Bytes, message: Bytes): Bytes => nobleHmac(nobleSha256, key, message);
