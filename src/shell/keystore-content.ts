import { z } from 'zod';
import { curve } from '#curve';
import { type Bytes, fromHex, toHex } from '../crypto/index.ts';
import type { Cipher } from './keystore-cipher.ts';
import { KeyFileError, type KeyKind } from './keystore-types.ts';

/** Kinds that a seed makes again. A cohort key is never among them: a copy on a second device could sign beside the first. */
export const SEED_KINDS = ['did', 'transport', 'nonces'] as const;
export type SeedKind = (typeof SEED_KINDS)[number];
/** What a seed makes: also the key of a wallet's state on relays, of which there is one, and which is never stored. */
export type DerivedKind = SeedKind | 'state';
export const isSeedKind = (kind: KeyKind): kind is SeedKind => SEED_KINDS.some(seeded => seeded === kind);

/** Kinds that are Nostr keys, and so stand in a locked file as NIP-49 has it. */
const isNostr = (kind: KeyKind): boolean => kind === 'transport' || kind === 'identity';

const kind = z.enum(['identity', 'transport', 'cohort', 'did', 'nonces']);
const hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const sealedText = z.string().min(1).max(300);
const counter = z
  .int()
  .min(0)
  .max(2 ** 31);
const publicKey = z.string().regex(/^0[23][0-9a-f]{64}$/);

const plainEntry = z.strictObject({ kind, secret: hex32, created_at: z.int() });
const sealedEntry = z.strictObject({ kind, sealed: sealedText, created_at: z.int() });
const nostrEntry = z.strictObject({ kind, ncryptsec: sealedText, created_at: z.int() });

const lock = z.strictObject({ log_n: z.int(), salt: z.string().regex(/^[0-9a-f]{32}$/), check: sealedText });
const next = z.strictObject({ did: counter, transport: counter, nonces: counter });

const plainFile = z.strictObject({ version: z.literal(1), keys: z.record(z.string(), plainEntry) });
const file = z.strictObject({
  version: z.literal(2),
  lock: lock.nullable(),
  seed: z.strictObject({ root: z.union([hex32, sealedText]), next }).nullable(),
  keys: z.record(publicKey, z.union([plainEntry, sealedEntry, nostrEntry])),
});

export type Entry = z.infer<typeof plainEntry> | z.infer<typeof sealedEntry> | z.infer<typeof nostrEntry>;
/** What a key file says. Plain where `lock` is null, else every secret of it is sealed. */
export type KeyFileContent = Omit<z.infer<typeof file>, 'version'>;

export const NO_KEYS: KeyFileContent = { lock: null, seed: null, keys: {} };
export const FIRST_COUNTERS: z.infer<typeof next> = { did: 0, transport: 0, nonces: 0 };

/** Reads the text of a key file. Throws KeyFileError, which quotes nothing of it. */
export function parseKeyFile(text: string, path: string): KeyFileContent {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message would quote the file.
    throw new KeyFileError(`${path} is not JSON`);
  }
  const first = plainFile.safeParse(value);
  if (first.success) return { lock: null, seed: null, keys: first.data.keys };
  const parsed = file.safeParse(value);
  if (!parsed.success) throw new KeyFileError(`${path} is no key file of this version`);
  const { lock: locked, seed, keys } = parsed.data;
  return { lock: locked, seed, keys };
}

/** The text of a key file. One without lock and seed is written as it always was, so that older programs read it. */
export const keyFileText = ({ lock: locked, seed, keys }: KeyFileContent): string =>
  JSON.stringify(
    locked === null && seed === null ? { version: 1, keys } : { version: 2, lock: locked, seed, keys },
    null,
    1,
  );

const aboutKey = (kindOf: KeyKind, key: string): string => `${kindOf} key ${key}`;
const ABOUT_SEED = 'seed';

/** An entry for a secret, sealed if there is a cipher. The caller wipes the secret. */
export function entryFor(kindOf: KeyKind, key: string, secret: Bytes, createdAt: number, cipher: Cipher | null): Entry {
  const common = { kind: kindOf, created_at: createdAt };
  if (cipher === null) return { ...common, secret: toHex(secret) };
  return isNostr(kindOf)
    ? { ...common, ncryptsec: cipher.sealNostr(secret) }
    : { ...common, sealed: cipher.seal(secret, aboutKey(kindOf, key)) };
}

/** Entries whose secret was found to be their key's. Entries never change, and secrets are lent for every message. */
const checked = new WeakMap<Entry, string>();

const isSecretOf = (secret: Bytes, key: string): boolean =>
  curve.isSecretKey(secret) && toHex(curve.publicKey(secret)) === key;

/**
 * The secret of an entry; the caller wipes it. Throws KeyFileError `damaged` where the form is not the one that its kind
 * has in such a file, or the secret is not that of the public key: entries could have been swapped, or slipped in.
 */
export function secretOf(key: string, entry: Entry, cipher: Cipher | null): Bytes {
  const about = aboutKey(entry.kind, key);
  const secret = rawSecret(entry, about, cipher);
  if (secret !== null && (checked.get(entry) === key || isSecretOf(secret, key))) {
    checked.set(entry, key);
    return secret;
  }
  secret?.fill(0);
  throw new KeyFileError(`the key file was changed or damaged: ${about} is another one; restore a backup`, 'damaged');
}

function rawSecret(entry: Entry, about: string, cipher: Cipher | null): Bytes | null {
  if (cipher === null) return 'secret' in entry ? fromHex(entry.secret, 32) : null;
  if (isNostr(entry.kind)) return 'ncryptsec' in entry ? cipher.openNostr(entry.ncryptsec, about) : null;
  return 'sealed' in entry ? cipher.open(entry.sealed, about) : null;
}

export const sealRoot = (root: Bytes, cipher: Cipher | null): string =>
  cipher === null ? toHex(root) : cipher.seal(root, ABOUT_SEED);

/** The 32-byte root of the seed's keys; the caller wipes it. Throws KeyFileError `damaged`. */
export function rootOf(text: string, cipher: Cipher | null): Bytes {
  const root = cipher !== null ? cipher.open(text, ABOUT_SEED) : hex32.safeParse(text).success ? fromHex(text) : null;
  if (root?.length === 32) return root;
  throw new KeyFileError('the key file was changed or damaged: its seed does not open; restore a backup', 'damaged');
}

/** The same secrets under another lock, or under none. Throws KeyFileError if one of them does not open. */
export function sealedAnew(content: KeyFileContent, from: Cipher | null, to: Cipher | null): KeyFileContent {
  const keys = Object.entries(content.keys).map(([key, entry]): [string, Entry] => {
    const secret = secretOf(key, entry, from);
    try {
      return [key, entryFor(entry.kind, key, secret, entry.created_at, to)];
    } finally {
      secret.fill(0);
    }
  });
  return { lock: to?.lock ?? null, seed: seedAnew(content.seed, from, to), keys: Object.fromEntries(keys) };
}

function seedAnew(seed: KeyFileContent['seed'], from: Cipher | null, to: Cipher | null): KeyFileContent['seed'] {
  if (seed === null) return null;
  const root = rootOf(seed.root, from);
  try {
    return { root: sealRoot(root, to), next: seed.next };
  } finally {
    root.fill(0);
  }
}

/** Opens every secret once: what is damaged is better known at the start than in the middle of a round. Throws KeyFileError. */
export function checkAll({ keys, seed }: KeyFileContent, cipher: Cipher | null): void {
  for (const [key, entry] of Object.entries(keys)) secretOf(key, entry, cipher).fill(0);
  if (seed !== null) rootOf(seed.root, cipher).fill(0);
}
