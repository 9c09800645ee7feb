import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Network } from '../bitcoin/network.ts';
import type { Chain } from '../chain/index.ts';
import type { ContentStore } from '../content/store.ts';
import type { Log } from '../nostr/index.ts';
import { nodeSocket } from '../nostr/websocket-node.ts';
import { copyKeys, keysBeside, restoreKeys } from '../shell/key-copies.ts';
import { changeKeyFilePassphrase, type KeyStore, openKeyFile } from '../shell/keystore.ts';
import { openStore, StoreFailed } from '../store/index.ts';
import { restoreTo } from '../store/restore.ts';
import { createWallet, type Wallet } from './sdk.ts';
import { deriveSecret } from './seed.ts';

export type { Wallet } from './sdk.ts';

export interface WalletOptions {
  /** Folder (0700) with wallet.db and keys.json; one process at a time. */
  home: string;
  network: Network;
  /** None: it connects to nothing, and its messages are carried by hand (`compose`, `deliver`). */
  relays: string[];
  chain: Chain | null;
  log: Log;
  /** Where updates are published when their controller asks for it, such as `kuboStore({ url })`. */
  content?: ContentStore | undefined;
  /** Another place for the keys than keys.json. */
  keys?: KeyStore;
  /** Opens a locked keys.json; a plain one is locked with it. Kept nowhere. */
  passphrase?: string | undefined;
  pollMs?: number;
  /** Saves its state on its relays by itself, encrypted to a key of its seed, which it needs: words alone restore it then. */
  stateOnRelays?: boolean;
}

const keysPath = (home: string): string => join(home, 'keys.json');
const random = (length: number): Uint8Array => Uint8Array.from(randomBytes(length));
const now = (): number => Math.floor(Date.now() / 1000);

/** Opens a wallet on Node. Throws StoreLocked if another process has it, KeyFileError if its keys lie open, or are locked otherwise. */
export async function openWallet(options: WalletOptions): Promise<Wallet> {
  const { home, network, relays, chain, log } = options;
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const store = openStore(join(home, 'wallet.db'), { application: 'wallet' });
  try {
    const keys =
      options.keys ??
      openKeyFile(keysPath(home), random, now, { passphrase: options.passphrase, derive: deriveSecret });
    const pollMs = options.pollMs === undefined ? {} : { pollMs: options.pollMs };
    const content = options.content ?? null;
    const parts = { network, relays, chain, store, keys, content, openSocket: nodeSocket, random, now, log };
    return createWallet({ ...parts, ...pollMs, stateOnRelays: options.stateOnRelays ?? false });
  } catch (error) {
    store.close();
    throw error;
  }
}

/**
 * Locks the keys of the wallet in `home` with a new passphrase; `from` opens them if they are locked already. Throws
 * StoreLocked if another process has the wallet open, KeyFileError as openWallet.
 */
export function changePassphrase(home: string, { from, to }: { from?: string | undefined; to: string }): void {
  const store = openStore(join(home, 'wallet.db'), { application: 'wallet' });
  try {
    changeKeyFilePassphrase(keysPath(home), { from, to, random });
  } finally {
    store.close();
  }
}

const databasePath = (home: string): string => join(home, 'wallet.db');

/**
 * Copies the wallet in `home` while it runs: the database to a new file, checked, and its keys beside it, locked or not as
 * they are. Throws StoreFailed or KeyFileError where a file is already. Resolves to the two paths.
 */
export async function backupWallet(home: string, file: string): Promise<{ database: string; keys: string }> {
  const store = openStore(databasePath(home), { application: 'wallet', readonly: true });
  const keys = keysBeside(file);
  try {
    await store.backup(file);
    // After the database: a key is stored before the database speaks of it, so none that it names is missing.
    copyKeys(keysPath(home), keys);
  } finally {
    store.close();
  }
  return { database: file, keys };
}

/** More messages than a wallet sends between two backups: its sequence numbers never come twice. */
const SEQUENCE_GAP = 1_000_000;

/**
 * Puts a copy back into a folder without a wallet database, marked: from then on the wallet signs nothing that could
 * contradict what it may have signed after the copy was made. Throws StoreFailed where there is a database, KeyFileError
 * where the keys do not fit.
 */
export function restoreWallet(home: string, file: string): { keys: 'kept' | 'restored' } {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  if (existsSync(databasePath(home)))
    throw new StoreFailed(`${databasePath(home)} exists already: nothing is overwritten; move it away first`);
  const keys = restoreKeys(keysPath(home), keysBeside(file));
  restoreTo(databasePath(home), file, {
    application: 'wallet',
    mark: store => ({
      events: [{ stream: 'wallet', type: 'restored', at: now(), body: { type: 'restored' } }],
      meta: [{ key: 'seq', value: String(Number(store.meta('seq') ?? 0) + SEQUENCE_GAP) }],
    }),
  });
  return { keys };
}
