import { curve } from '#curve';
import { type Bytes, toHex } from '../crypto/index.ts';
import type { Cipher } from './keystore-cipher.ts';
import {
  type DerivedKind,
  entryFor,
  isSeedKind,
  type KeyFileContent,
  rootOf,
  type SeedKind,
  secretOf,
} from './keystore-content.ts';
import { KeyFileError, type KeyKind, type KeyStore, KeyUnknown, KeyUseRefused, requireUse } from './keystore-types.ts';

/** The secret key number `counter` of a kind, from the 32-byte root of a seed. */
export type Derive = (root: Bytes, kind: DerivedKind, counter: number) => Bytes;

/** A key store that may have a seed: keys of the seed's kinds come from it, cohort keys never. */
export interface SeedKeyStore extends KeyStore {
  isLocked(): boolean;
  isSeeded(): boolean;
  /** Public key number `counter` of a kind, which need not be here. Throws KeyFileError `no_seed`. */
  peek(kind: SeedKind, counter: number): string;
  /**
   * Puts the first `count` keys of a kind here, all at once; new ones begin behind them. Returns their public keys.
   * Throws KeyFileError `no_seed`.
   */
  restore(kind: SeedKind, count: number): string[];
  /**
   * Runs `use` with the secret of the key that a wallet's state on relays is written and read by; it is wiped afterwards,
   * and stored nowhere. Throws KeyFileError `no_seed`.
   */
  lendState<T>(use: (secret: Bytes) => T): T;
}

export interface KeyStoreParts {
  content: KeyFileContent;
  /** Null for a plain file. */
  cipher: Cipher | null;
  random: (length: number) => Bytes;
  /** Unix seconds. */
  now: () => number;
  /** Stores the content durably, whole or not at all, before it returns; `erase`: what it was before is to be gone. */
  save: (content: KeyFileContent, options?: { erase: true }) => void;
  derive?: Derive;
}

const xOnly = (publicKey: string): string => publicKey.slice(-64);

/** A key store over content that something else reads and writes. Secrets are opened to be lent, and wiped. */
export function createKeyStore({ content, cipher, random, now, save, derive }: KeyStoreParts): SeedKeyStore {
  let current = content;
  const byXOnly = new Map(Object.keys(content.keys).map(key => [xOnly(key), key]));

  function commit(next: KeyFileContent): void {
    save(next);
    current = next;
    for (const key of Object.keys(next.keys)) byXOnly.set(xOnly(key), key);
  }

  /** Runs `use` with the secret of a new key and its public key. */
  function withNew<T>(draw: () => Bytes, use: (secret: Bytes, publicKey: string) => T): T {
    const secret = draw();
    try {
      return use(secret, toHex(curve.publicKey(secret)));
    } finally {
      secret.fill(0);
    }
  }

  function drawn(): Bytes {
    let secret = random(32);
    while (!curve.isSecretKey(secret)) secret = random(32);
    return secret;
  }

  function derived(kind: DerivedKind, counter: number): Bytes {
    if (!current.seed || !derive) throw new KeyFileError('these keys have no seed', 'no_seed');
    const root = rootOf(current.seed.root, cipher);
    try {
      return derive(root, kind, counter);
    } finally {
      root.fill(0);
    }
  }

  /** The keys with one more among them; one that is here stays as it is. */
  const withEntry = (keys: KeyFileContent['keys'], kind: KeyKind, secret: Bytes, publicKey: string) =>
    keys[publicKey] ? keys : { ...keys, [publicKey]: entryFor(kind, publicKey, secret, now(), cipher) };

  const peek = (kind: SeedKind, counter: number): string =>
    withNew(
      () => derived(kind, counter),
      (_, publicKey) => publicKey,
    );

  function createRandom(kind: KeyKind): string {
    return withNew(drawn, (secret, publicKey) => {
      commit({ ...current, keys: withEntry(current.keys, kind, secret, publicKey) });
      return publicKey;
    });
  }

  /** A file put back from a backup knows smaller counters; what is here is never handed out as new. */
  function createDerived(kind: SeedKind, seed: NonNullable<KeyFileContent['seed']>): string {
    // One nonce key serves a wallet for ever: a second one would not make the nonces of earlier signals again.
    let counter = kind === 'nonces' ? 0 : seed.next[kind];
    while (kind !== 'nonces' && current.keys[peek(kind, counter)]) counter++;
    return withNew(
      () => derived(kind, counter),
      (secret, publicKey) => {
        const next = { ...seed.next, [kind]: Math.max(seed.next[kind], counter + 1) };
        commit({ ...current, seed: { ...seed, next }, keys: withEntry(current.keys, kind, secret, publicKey) });
        return publicKey;
      },
    );
  }

  return {
    isLocked: () => cipher !== null,
    isSeeded: () => current.seed !== null,
    has: publicKey => byXOnly.has(xOnly(publicKey)),
    create: kind =>
      current.seed !== null && isSeedKind(kind) ? createDerived(kind, current.seed) : createRandom(kind),
    peek,
    restore(kind, count) {
      if (!current.seed) throw new KeyFileError('these keys have no seed', 'no_seed');
      const { seed } = current;
      let { keys } = current;
      const restored: string[] = [];
      for (let counter = 0; counter < count; counter++)
        withNew(
          () => derived(kind, counter),
          (secret, publicKey) => {
            keys = withEntry(keys, kind, secret, publicKey);
            restored.push(publicKey);
          },
        );
      const next = { ...seed.next, [kind]: Math.max(seed.next[kind], count) };
      commit({ ...current, seed: { ...seed, next }, keys });
      return restored;
    },
    lendState: use => withNew(() => derived('state', 0), use),
    deleteCohortKey(publicKey) {
      const key = byXOnly.get(xOnly(publicKey));
      const entry = key === undefined ? undefined : current.keys[key];
      if (key === undefined || !entry) return false;
      if (entry.kind !== 'cohort') throw new KeyUseRefused(key, entry.kind);
      const { [key]: _, ...keys } = current.keys;
      save({ ...current, keys }, { erase: true });
      current = { ...current, keys };
      byXOnly.delete(xOnly(key));
      return true;
    },
    lend(publicKey, use, cohortKeyUse) {
      const key = byXOnly.get(xOnly(publicKey));
      const entry = key === undefined ? undefined : current.keys[key];
      if (key === undefined || !entry) throw new KeyUnknown(publicKey);
      requireUse(key, entry.kind, cohortKeyUse);
      const secret = secretOf(key, entry, cipher);
      try {
        return use(secret);
      } finally {
        secret.fill(0);
      }
    },
  };
}
