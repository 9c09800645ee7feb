import type { Network } from '../bitcoin/network.ts';
import type { Chain } from '../chain/types.ts';
import { type Log, silent } from '../nostr/log.ts';
import { type BrowserWebSocket, browserSocket } from '../nostr/websocket-browser.ts';
import { openBrowserKeys } from '../shell/keystore-browser.ts';
import type { KeyStore } from '../shell/keystore-types.ts';
import { type BrowserPlatform, openRows } from '../store/indexeddb.ts';
import { walletStoreOver } from '../store/memory.ts';
import type { RowStore } from '../store/wallet-store.ts';
import { createWallet, type Wallet } from './sdk.ts';
import { deriveSecret, rootOfMnemonic } from './seed.ts';

export { type EsploraOptions, esploraChain } from '../chain/esplora.ts';
export type { Chain } from '../chain/types.ts';
export { browserSocket } from '../nostr/websocket-browser.ts';
export { type BrowserKeyOptions, openBrowserKeys } from '../shell/keystore-browser.ts';
export { KeyFileError, type KeyKind, type KeyStore, KeyUnknown, KeyUseRefused } from '../shell/keystore-types.ts';
export { StoreFailed, StoreFull } from '../store/errors.ts';
export { type BrowserPlatform, openRows } from '../store/indexeddb.ts';
export { walletStoreOver } from '../store/memory.ts';
export { OpenInOtherTab } from '../store/tab-lock.ts';
export type { RowStore, WalletStore } from '../store/wallet-store.ts';
export * from './api.ts';
export type { WalletEvent, WalletState } from './core.ts';
export { createWallet, type Wallet, type WalletParts } from './sdk.ts';
export { isMnemonic, newMnemonic } from './seed.ts';

export interface BrowserWalletOptions {
  /** Names the wallet among those of this origin; `default` if left out. One tab at a time has it open. */
  name?: string;
  network: Network;
  /** None: it connects to nothing, and its messages are carried by hand (`compose`, `deliver`). */
  relays: string[];
  /** Such as `esploraChain({ url })` of a server that allows this origin (CORS). */
  chain: Chain | null;
  /** Seals the keys; see openBrowserKeys for what that protects. */
  passphrase?: string;
  /** Words of the seed (`newMnemonic`) that a new wallet's keys come from, cohort keys excepted. Kept nowhere. */
  mnemonic?: string;
  /** Another place for the keys than the rows beside the wallet's log. */
  keys?: KeyStore;
  log?: Log;
  pollMs?: number;
  /** Saves its state on its relays by itself, encrypted to a key of its seed, which it needs: words alone restore it then. */
  stateOnRelays?: boolean;
}

/** What a browser gives to a secure context: https, or localhost. */
interface Browser extends BrowserPlatform {
  WebSocket: new (url: string) => BrowserWebSocket;
}

/**
 * Opens a wallet in a page or a worker of a secure context. Everything it stores is in IndexedDB, and nothing leaves it
 * before it is stored there. It asks the browser to keep its data when room gets short (Storage API); where that is
 * refused, as browsers do for sites that are rarely used, the browser may delete the wallet, and a cohort key that is
 * lost blocks its whole cohort. A tab that the browser freezes or closes is a member that is silent. Throws
 * OpenInOtherTab, StoreFailed, StoreFull, KeyFileError, or TypeError for a page that lacks IndexedDB or Web Locks.
 */
export async function openBrowserWallet(options: BrowserWalletOptions): Promise<Wallet> {
  const { name = 'default', network, relays, chain, log = silent, pollMs } = options;
  const browser = thisBrowser();
  // Not waited for: some browsers ask the person.
  void askToKeep(log);
  const rows = await openRows(name, browser);
  try {
    const store = walletStoreOver(rows, now);
    const keys = options.keys ?? ownKeys(rows, options);
    const openSocket = browserSocket(browser.WebSocket);
    const timing = pollMs === undefined ? {} : { pollMs };
    const { stateOnRelays = false } = options;
    const parts = { network, relays, chain, store, keys, openSocket, random, now, log, stateOnRelays };
    return createWallet({ ...parts, ...timing });
  } catch (error) {
    await rows.close();
    throw error;
  }
}

function ownKeys(rows: RowStore, { passphrase, mnemonic, network }: BrowserWalletOptions): KeyStore {
  const root = mnemonic === undefined ? undefined : rootOfMnemonic(mnemonic, network);
  try {
    return openBrowserKeys(rows, { passphrase, root, derive: deriveSecret, random, now });
  } finally {
    root?.fill(0);
  }
}

const random = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));
const now = (): number => Math.floor(Date.now() / 1000);

interface Given {
  indexedDB?: BrowserPlatform['indexedDB'];
  WebSocket?: Browser['WebSocket'];
  navigator?: { locks?: BrowserPlatform['locks']; storage?: { persist?: () => Promise<boolean> } };
}
/** The project's types are Node's: what only browsers have is named here. */
const given = globalThis as unknown as Given;

function thisBrowser(): Browser {
  const { indexedDB, WebSocket, navigator } = given;
  if (!indexedDB || !WebSocket || !navigator?.locks)
    throw new TypeError(
      'IndexedDB, WebSocket or Web Locks are missing: is this a secure context (https or localhost)?',
    );
  return { indexedDB, WebSocket, locks: navigator.locks };
}

async function askToKeep(log: Log): Promise<void> {
  const kept = await given.navigator?.storage?.persist?.().catch(() => false);
  if (!kept) log('warn', 'the browser may delete this wallet when room gets short');
}
