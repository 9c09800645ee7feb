import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Network } from '../bitcoin/network.ts';
import type { Chain } from '../chain/index.ts';
import type { ContentStore } from '../content/store.ts';
import type { Log } from '../nostr/index.ts';
import { nodeSocket } from '../nostr/websocket-node.ts';
import { changeKeyFilePassphrase, type KeyStore, openKeyFile } from '../shell/keystore.ts';
import { openStore } from '../store/index.ts';
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
    return createWallet({ ...parts, ...pollMs });
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
