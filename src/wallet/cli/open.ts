import { join } from 'node:path';
import type { Network } from '../../bitcoin/network.ts';
import { bitcoindChain, type Chain, ChainUnreachable, esploraChain, requireNetwork } from '../../chain/index.ts';
import { kuboStore } from '../../content/index.ts';
import type { Log } from '../../nostr/log.ts';
import { isLockedKeyFile } from '../../shell/keystore.ts';
import { StoreLocked } from '../../store/errors.ts';
import type { WalletStatus } from '../api.ts';
import type { openWallet, Wallet } from '../client.ts';
import { type ChainConfig, homeFolder, loadWalletConfig, type Sources, type WalletConfig } from '../config.ts';
import { type Invocation, Refused } from './command.ts';
import { configFlags } from './flags.ts';
import { hint } from './io.ts';
import { keysPath } from './new-home.ts';
import { givenPassphrase, presentPassphrase } from './passphrase.ts';
import { localPort, type WalletPort } from './port.ts';
import { isServed, remotePort } from './remote.ts';

/** How a wallet is opened in this process. */
export type OpenWallet = typeof openWallet;

/** Where `run` answers for the wallet in a folder. */
export const socketPath = (home: string): string => join(home, 'wallet.sock');

/** What an invocation says about the configuration. */
export const sourcesOf = (invocation: Pick<Invocation, 'flags' | 'io'>): Sources => ({
  flags: configFlags(invocation.flags),
  env: invocation.io.env,
  cwd: invocation.io.cwd,
});

/** The wallet's folder, absolute. */
export const homeOf = ({ flags, io }: Pick<Invocation, 'flags' | 'io'>): string =>
  homeFolder(typeof flags.home === 'string' ? flags.home : undefined, io);

/** A view of the chain as configured; nothing is asked of it yet. */
export const openChain = (config: ChainConfig): Chain =>
  config.backend === 'bitcoind' ? bitcoindChain(config) : esploraChain(config);

/** A wallet that is open in this process. */
export interface Here {
  wallet: Wallet;
  close: () => Promise<void>;
}

/** Opens the wallet of a configuration in this process; `close` stops it and its view of the chain. */
async function openHere(
  invocation: Pick<Invocation, 'openWallet' | 'log'>,
  config: WalletConfig,
  passphrase: string | undefined,
): Promise<Here> {
  const { home, network, relays, state_on_relays: stateOnRelays } = config;
  const chain = config.chain === null ? null : openChain(config.chain);
  const log = invocation.log(config.log_level);
  let close = async (): Promise<void> => chain?.close();
  try {
    const content = config.kubo_url === null ? {} : { content: kuboStore({ url: config.kubo_url }) };
    const wallet = await invocation.openWallet({
      home,
      network,
      relays,
      chain,
      log,
      passphrase,
      stateOnRelays,
      ...content,
    });
    // The wallet closes its view of the chain with itself.
    close = () => wallet.stop();
    if (chain !== null) await requireRightChain(chain, network, log);
    return { wallet, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A node that is down comes back; one of another network would show the wallet money and signals that are not there. */
async function requireRightChain(chain: Chain, network: Network, log: Log): Promise<void> {
  try {
    await requireNetwork(chain, network);
  } catch (error) {
    if (!(error instanceof ChainUnreachable)) throw error;
    log('warn', error.message);
  }
}

/** The work's result, or Refused `interrupted` as soon as the process is told to end; the work itself is not undone. */
export async function untilTold<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let onAbort = (): void => {};
  const told = new Promise<never>((_, reject) => {
    onAbort = () => reject(new Refused('interrupted', 'interrupted; what was sent before stays sent'));
  });
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, told]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Long enough for a wallet that is just starting to serve its socket, or for a short command to end. */
const PATIENCE_MS = 3_000;
const RETRY_MS = 200;

/** Opens the wallet here, or null once another process serves it. Throws StoreLocked if one holds it and serves nothing. */
export async function openUnlessServed(invocation: Invocation, config: WalletConfig): Promise<Here | null> {
  if (await isServed(socketPath(config.home))) return null;
  const passphrase = isLockedKeyFile(keysPath(config.home))
    ? await presentPassphrase(invocation)
    : givenPassphrase(invocation);
  for (const deadline = Date.now() + PATIENCE_MS; ; await new Promise(resolve => setTimeout(resolve, RETRY_MS))) {
    if (await isServed(socketPath(config.home))) return null;
    try {
      return await openHere(invocation, config, passphrase);
    } catch (error) {
      if (!(error instanceof StoreLocked) || Date.now() > deadline || invocation.io.signal.aborted) throw error;
    }
  }
}

/** A wallet at hand, wherever it is open. */
export interface Connected {
  port: WalletPort;
  config: WalletConfig;
  /** Whether a `run` process holds the wallet, and goes on when this command ends. */
  isRunning: boolean;
}

/** Whether a companion answers rounds for this wallet. */
export const hasCompanion = ({ companion }: Pick<WalletStatus, 'companion'>): boolean =>
  companion?.role === 'owner' && companion.phase === 'paired';

/**
 * Does something with the wallet: over the socket of the process that holds it, else by opening it here for as long as
 * that takes. `online` connects it to its relays; `to_save` only a wallet that saves its state there, `as_owner` only one
 * that has a companion to ask. Throws what `use` throws, Refused `interrupted` on a signal, and
 * StoreLocked where another command has the wallet open.
 */
export async function withWallet<T>(
  invocation: Invocation,
  { online }: { online: boolean | 'to_save' | 'as_owner' },
  use: (connected: Connected) => Promise<T>,
): Promise<T> {
  const { signal } = invocation.io;
  const home = homeOf(invocation);
  const config = loadWalletConfig(home, sourcesOf(invocation));
  const opened = await openUnlessServed(invocation, config);
  if (opened === null) {
    if (Object.keys(configFlags(invocation.flags)).length > 0)
      hint(invocation, 'the running wallet uses its own relays and chain, not those given here');
    return untilTold(signal, use({ port: remotePort(socketPath(home)), config, isRunning: true }));
  }
  const { wallet, close } = opened;
  try {
    const isWanted = {
      to_save: () => config.state_on_relays,
      as_owner: () => hasCompanion(wallet.status()),
    };
    if (typeof online === 'string' ? isWanted[online]() : online) wallet.start();
    const using = use({ port: localPort(wallet), config, isRunning: false });
    return await untilTold(signal, Promise.race([using, wallet.failed]));
  } finally {
    await close();
  }
}
