import type { z } from 'zod';
import { ChainError, ChainUnreachable } from './errors.ts';
import { turns } from './turns.ts';

export interface EsploraOptions {
  /** Base URL of the API, such as http://127.0.0.1:3002 or one ending in /api. */
  url: string;
  /** Headers to send along, such as an access token. */
  headers?: Readonly<Record<string, string>>;
  /** Milliseconds until a request counts as unanswered; 30,000 if left out. */
  timeoutMs?: number;
}

/** Requests to one Esplora server. A path begins with a slash; it is the only part of the URL that errors show. */
export interface EsploraHttp {
  json<T>(schema: z.ZodType<T>, path: string): Promise<T>;
  /** Like `json`, but null where the server does not know the thing. */
  find<T>(schema: z.ZodType<T>, path: string): Promise<T | null>;
  text(path: string): Promise<string>;
  findText(path: string): Promise<string | null>;
  post(path: string, body: string): Promise<{ ok: boolean; text: string }>;
}

/** Enough requests at once to hide the distance to a server, and too few to trip its limits. */
export const AT_ONCE = 6;
const BUSY = 429;
const NOT_FOUND = 404;

/** Old servers answer 400 where newer ones answer 404. */
const saysUnknown = (status: number, text: string): boolean =>
  status === NOT_FOUND || (status === 400 && /not found/i.test(text));

/** A client over `fetch`, for Node and browsers. Throws TypeError for a URL that is not http(s) or carries credentials. */
export function esploraHttp(options: EsploraOptions): EsploraHttp {
  const base = new URL(options.url);
  if (base.protocol !== 'http:' && base.protocol !== 'https:')
    throw new TypeError('the Esplora URL must be http or https');
  // Browsers refuse such URLs, and error messages of fetch quote them.
  if (base.username !== '' || base.password !== '') throw new TypeError('the Esplora URL must not contain credentials');
  const root = options.url.replace(/\/+$/, '');

  const inTurn = turns(AT_ONCE);
  const request = (path: string, body?: string) => inTurn(() => exchange(path, body));

  async function exchange(path: string, body?: string): Promise<{ status: number; text: string }> {
    const signal = AbortSignal.timeout(options.timeoutMs ?? 30_000);
    const init = body === undefined ? { method: 'GET' } : { method: 'POST', body };
    let status: number;
    let text: string;
    try {
      const response = await fetch(`${root}${path}`, { ...init, headers: { ...options.headers }, signal });
      status = response.status;
      text = await response.text();
    } catch {
      throw new ChainUnreachable(signal.aborted ? `timeout at ${path}` : `connection failed at ${path}`);
    }
    if (status >= 500 || status === BUSY) throw new ChainUnreachable(`HTTP ${status} at ${path}`);
    if (status === 401 || status === 403) throw new ChainError('unauthorized', `HTTP ${status} at ${path}`);
    return { status, text };
  }

  async function findText(path: string): Promise<string | null> {
    const { status, text } = await request(path);
    if (saysUnknown(status, text)) return null;
    if (status === 400 && /address/i.test(text)) throw new ChainError('bad_address', `the server refuses ${path}`);
    if (status !== 200) throw new ChainError('bad_answer', `HTTP ${status} at ${path}`);
    return text;
  }

  function parse<T>(schema: z.ZodType<T>, text: string, path: string): T {
    try {
      return schema.parse(JSON.parse(text));
    } catch {
      throw new ChainError('bad_answer', `the answer at ${path} has an unknown shape`);
    }
  }

  function known<T>(value: T | null, path: string): T {
    if (value === null) throw new ChainError('bad_answer', `not found: ${path}`);
    return value;
  }

  const find = async <T>(schema: z.ZodType<T>, path: string): Promise<T | null> => {
    const text = await findText(path);
    return text === null ? null : parse(schema, text, path);
  };

  return {
    find,
    findText,
    json: async (schema, path) => known(await find(schema, path), path),
    text: async path => known(await findText(path), path).trim(),
    async post(path, body) {
      const { status, text } = await request(path, body);
      return { ok: status === 200, text };
    },
  };
}
