import { type Bytes, sha256 } from '../crypto/index.ts';
import { cidV1 } from '../did/index.ts';

/** A content-addressed store: whoever has the address of some bytes can ask it, or its network, for them. */
export interface ContentStore {
  /** Stores bytes for good and returns the address (CID) under which the store has them. Throws ContentStoreError. */
  put(bytes: Bytes): Promise<string>;
}

/**
 * Why bytes were not stored. `unreachable` and `refused` may pass; `too_large` and `wrong_cid` do not: a store that
 * answers with another address has other bytes, or lies.
 */
export type ContentFault = 'unreachable' | 'refused' | 'too_large' | 'wrong_cid';

export class ContentStoreError extends Error {
  override readonly name = 'ContentStoreError';
  readonly code: ContentFault;

  constructor(code: ContentFault, text: string) {
    super(text);
    this.code = code;
  }
}

/** Stores bytes and checks that the store has them under their own address: CIDv1, raw, sha2-256. Returns that address. */
export async function putChecked(store: ContentStore, bytes: Bytes): Promise<string> {
  const own = cidV1(sha256(bytes));
  const told = await store.put(bytes);
  if (told !== own)
    throw new ContentStoreError('wrong_cid', `the store has it as ${told.slice(0, 100)}, and its address is ${own}`);
  return own;
}
