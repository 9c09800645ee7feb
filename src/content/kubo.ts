import type { Bytes } from '../crypto/index.ts';
import { isRecord, parseJson } from '../nostr/json.ts';
import { type ContentStore, ContentStoreError } from './store.ts';

/** Kubo takes no larger block unless told, and nobody else would get it over bitswap. */
export const MAX_BLOCK = 1_048_576;
const TIMEOUT_MS = 30_000;
/** An answer is two short fields. */
const MAX_ANSWER = 4_096;

/**
 * A store behind the RPC API of an IPFS node, Kubo or one like it: `POST /api/v0/block/put`, one raw block, pinned. `url`
 * is the node's, such as `http://127.0.0.1:5001`. That API is an administrator's: never one that strangers can reach.
 */
export function kuboStore({ url, timeoutMs = TIMEOUT_MS }: { url: string; timeoutMs?: number }): ContentStore {
  const target = new URL(
    'api/v0/block/put?cid-codec=raw&mhtype=sha2-256&pin=true',
    url.endsWith('/') ? url : `${url}/`,
  );
  return {
    async put(bytes) {
      if (bytes.length > MAX_BLOCK)
        throw new ContentStoreError('too_large', `${bytes.length} bytes: a block has at most ${MAX_BLOCK}`);
      const { ok, status, text } = await post(target, bytes, timeoutMs);
      if (!ok) throw new ContentStoreError('refused', `the store answered with status ${status}`);
      const answer = parseJson(text, { chars: MAX_ANSWER, depth: 2 });
      if (!isRecord(answer) || typeof answer.Key !== 'string')
        throw new ContentStoreError('refused', 'the store answered something else than the key of a block');
      return answer.Key;
    },
  };
}

async function post(
  target: URL,
  bytes: Bytes,
  timeoutMs: number,
): Promise<{ ok: boolean; status: number; text: string }> {
  const body = new FormData();
  body.append('file', new Blob([Uint8Array.from(bytes)], { type: 'application/octet-stream' }), 'block');
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    // A redirect would carry what is published to somebody who was not named.
    const response = await fetch(target, { method: 'POST', body, signal, redirect: 'error' });
    return { ok: response.ok, status: response.status, text: await readSome(response) };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new ContentStoreError(
      'unreachable',
      `the store does not answer: ${cause instanceof Error ? cause.message : cause}`,
    );
  }
}

/** No more of an answer than can be meant. */
async function readSome(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const parts: Uint8Array[] = [];
  for (let length = 0; reader && length <= MAX_ANSWER; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    length += value.length;
  }
  await reader?.cancel();
  return await new Blob(parts.map(part => Uint8Array.from(part))).text();
}
