import { createHmac, hash } from 'node:crypto';
import type { Bytes } from './bytes.ts';

/** SHA-256 by Node's own OpenSSL: the same bytes as the portable one, a long text 18 times as fast. */
export const sha256 = (bytes: Bytes): Bytes => Uint8Array.from(hash('sha256', bytes, 'buffer'));

/** HMAC-SHA256 (RFC 2104) of one message. */
export const hmac = (key: Bytes, message: Bytes): Bytes =>
  Uint8Array.from(createHmac('sha256', key).update(message).digest());
