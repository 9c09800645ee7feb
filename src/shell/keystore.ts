import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { curve } from '#curve';
import { type Bytes, fromHex, toHex } from '../crypto/index.ts';

export type KeyKind = 'identity' | 'transport' | 'cohort' | 'did' | 'nonces';

/** Holds secret keys and lends them: nobody keeps one. Public keys are 33-byte compressed hex; x-only hex finds them too. */
export interface KeyStore {
  /** Draws a key and stores it durably before it is used. Returns the compressed public key. */
  create(kind: KeyKind): string;
  has(publicKey: string): boolean;
  /** Runs `use` with a copy of the secret, wiped afterwards. Throws KeyUnknown for a key that is not here. */
  lend<T>(publicKey: string, use: (secret: Bytes) => T): T;
}

export class KeyUnknown extends Error {
  override readonly name = 'KeyUnknown';

  constructor(publicKey: string) {
    super(`the key store has no secret for ${publicKey}`);
  }
}

/** The key file cannot be used as it is; the message says what to do. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError';
}

const entry = z.strictObject({
  kind: z.enum(['identity', 'transport', 'cohort', 'did', 'nonces']),
  secret: z.string().regex(/^[0-9a-f]{64}$/),
  created_at: z.int(),
});
const file = z.strictObject({ version: z.literal(1), keys: z.record(z.string(), entry) });
type File = z.infer<typeof file>;

const xOnly = (publicKey: string): string => publicKey.slice(-64);

/**
 * Opens a key file (JSON, mode 0600), made at the first key. Refuses one that others can read.
 * A new key reaches the disk, in a new file that replaces the old one at once, before anybody learns of it.
 */
export function openKeyFile(path: string, random: (length: number) => Bytes, now: () => number): KeyStore {
  const content: File = existsSync(path) ? readKeyFile(path) : { version: 1, keys: {} };
  const byXOnly = new Map(Object.keys(content.keys).map(key => [xOnly(key), key]));

  const entryOf = (publicKey: string) => {
    const key = byXOnly.get(xOnly(publicKey));
    return key === undefined ? undefined : content.keys[key];
  };

  return {
    has: publicKey => entryOf(publicKey) !== undefined,
    create(kind) {
      let secret = random(32);
      while (!curve.isSecretKey(secret)) secret = random(32);
      const publicKey = toHex(curve.publicKey(secret));
      const keys = { ...content.keys, [publicKey]: { kind, secret: toHex(secret), created_at: now() } };
      secret.fill(0);
      replaceFile(path, JSON.stringify({ version: 1, keys }, null, 1));
      content.keys = keys;
      byXOnly.set(xOnly(publicKey), publicKey);
      return publicKey;
    },
    lend(publicKey, use) {
      const found = entryOf(publicKey);
      if (!found) throw new KeyUnknown(publicKey);
      const secret = fromHex(found.secret, 32);
      try {
        return use(secret);
      } finally {
        secret.fill(0);
      }
    },
  };
}

function readKeyFile(path: string): File {
  const mode = statSync(path).mode & 0o777;
  if (mode & 0o077)
    throw new KeyFileError(
      `${path} can be read by others (mode ${mode.toString(8)}): chmod 600 ${JSON.stringify(path)}`,
    );
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // The parser's message would quote the file.
    throw new KeyFileError(`${path} is not JSON`);
  }
  const parsed = file.safeParse(value);
  if (!parsed.success) throw new KeyFileError(`${path} is no key file of this version`);
  return parsed.data;
}

function replaceFile(path: string, text: string): void {
  const next = `${path}.new`;
  const handle = openSync(next, 'w', 0o600);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  chmodSync(next, 0o600);
  renameSync(next, path);
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
