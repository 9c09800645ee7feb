import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { NETWORKS, type Network } from '../bitcoin/network.ts';
import type { RpcAuth } from '../chain/index.ts';
import { shellWord } from '../config/files.ts';
import { normalizeRelayUrl } from '../nostr/url.ts';
import {
  type ConfigFlags,
  type Key,
  type Layer,
  mergeLayers,
  type Problem,
  readEnv,
  readFlags,
  readToml,
  type Settings,
} from './config-layers.ts';

export type { ConfigFlags, Problem } from './config-layers.ts';

/** The wallet's own view of the chain. */
export type ChainConfig =
  | { backend: 'bitcoind'; url: string; auth: RpcAuth; wallet: string }
  | { backend: 'esplora'; url: string };

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/** A configuration that was validated as a whole. */
export interface WalletConfig {
  /** Absolute path of the folder that holds everything. */
  home: string;
  network: Network;
  /** Empty only where `by_hand` says that messages are carried as files. */
  relays: string[];
  /** Null: the wallet cannot see the chain, and signs nothing new. */
  chain: ChainConfig | null;
  /** RPC address of the IPFS node (Kubo) that updates are published to when asked; null: nowhere. */
  kubo_url: string | null;
  /** Whether the wallet saves its state on its relays. */
  state_on_relays: boolean;
  log_level: (typeof LOG_LEVELS)[number];
}

/** A configuration that cannot be used: every problem at once, each with the key that it is about. Quotes no value that may be secret. */
export class WalletConfigError extends Error {
  override readonly name = 'WalletConfigError';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(({ key, text }) => `${key}: ${text}`).join('\n'));
    this.problems = problems;
  }
}

/** What the settings are read from; times and secrets are not among them. */
export interface Sources {
  flags: ConfigFlags;
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
}

const CONFIG_FILE = 'wallet.toml';
/** Path of the wallet.toml of a folder. */
export const configPath = (home: string): string => join(home, CONFIG_FILE);

/** Watch-only wallet on a bitcoind, where the configuration names none. */
const NODE_WALLET = 'btcr2-wallet';

/** The wallet's folder: the flag, else BTCR2_WALLET_HOME, else ~/.btcr2-wallet. */
export const homeFolder = (flag: string | undefined, { env, cwd }: Pick<Sources, 'env' | 'cwd'>): string =>
  resolve(cwd, flag ?? (env.BTCR2_WALLET_HOME || join(env.HOME || homedir(), '.btcr2-wallet')));

/**
 * The configuration of the wallet in `home`: flags over environment over wallet.toml.
 * Throws a WalletConfigError that lists everything that is wrong, or says how to make a wallet where there is none.
 */
export function loadWalletConfig(home: string, sources: Sources): WalletConfig {
  const text = readConfigFile(home);
  if (text === null)
    throw new WalletConfigError([
      { key: 'home', text: `there is no wallet in ${home}; make one with: btcr2-wallet init --network …` },
    ]);
  return walletConfig(home, text, sources);
}

/** The same for the text of a wallet.toml that may not be written yet. */
export function walletConfig(home: string, text: string, sources: Sources): WalletConfig {
  const file = readToml(text, home);
  const { layers, problems } = outerLayers(sources);
  const settings = mergeLayers([file.layer, ...layers]);
  const found = [...file.problems, ...problems];
  const network = read(settings, found, 'network', schemas.network);
  const mainnet = read(settings, found, 'mainnet', schemas.flag) ?? false;
  if (network === undefined && !settings.has('network'))
    found.push({ key: 'network', text: `missing; one of ${NETWORKS.join(', ')}` });
  if (network === 'bitcoin' && !mainnet)
    found.push({ key: 'mainnet', text: 'this is real money: network bitcoin needs mainnet = true (--mainnet)' });
  const byHand = read(settings, found, 'by_hand', schemas.flag) ?? false;
  if (byHand && !settings.has('relays')) settings.set('relays', { value: [], from: 'by_hand', base: home });
  const relays = read(settings, found, 'relays', byHand ? schemas.anyRelays : schemas.relays);
  if (!settings.has('relays'))
    found.push({ key: 'relays', text: 'missing; at least one ws:// or wss:// address, or by_hand = true' });
  const log_level = read(settings, found, 'log_level', schemas.log_level) ?? 'warn';
  const chain = readChain(settings, found);
  const kubo_url = read(settings, found, 'cas.kubo_url', schemas.url) ?? null;
  const state_on_relays = read(settings, found, 'state.on_relays', schemas.flag) ?? false;
  if (state_on_relays && relays?.length === 0)
    found.push({ key: 'state.on_relays', text: 'there is no relay in relays that could hold the state' });
  if (found.length > 0 || network === undefined || relays === undefined) throw new WalletConfigError(found);
  const distinct = [...new Set(relays.map(normalizeRelayUrl))];
  return { home, network, relays: distinct, chain, kubo_url, state_on_relays, log_level };
}

/** The chain that flags and environment alone name, without any wallet; null if they name none. Throws WalletConfigError. */
export function chainOfSources(sources: Sources): ChainConfig | null {
  const { layers, problems } = outerLayers(sources);
  const chain = readChain(mergeLayers(layers), problems);
  if (problems.length > 0) throw new WalletConfigError(problems);
  return chain;
}

/** The text of the wallet.toml in `home`, or null if there is none. */
export function readConfigFile(home: string): string | null {
  try {
    return readFileSync(configPath(home), 'utf8');
  } catch (error) {
    if (isNotFound(error)) return null;
    throw new WalletConfigError([{ key: CONFIG_FILE, text: `cannot be read (${codeOf(error)})` }]);
  }
}

function outerLayers({ flags, env, cwd }: Sources): { layers: Layer[]; problems: Problem[] } {
  const reads = [readEnv(env, cwd), readFlags(flags, cwd)];
  return { layers: reads.map(({ layer }) => layer), problems: reads.flatMap(({ problems }) => problems) };
}

const isWeb = (text: string): boolean => {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return (protocol === 'http:' || protocol === 'https:') && username === '' && password === '';
};
const isRelay = (text: string): boolean => {
  try {
    return normalizeRelayUrl(text) !== '';
  } catch {
    return false;
  }
};

const filled = (what: string) => z.string(what).min(1, what);
const RELAYS =
  'a list of at least one ws:// or wss:// address, without credentials; with by_hand = true it may be empty';
const relays = z.array(z.string(RELAYS).refine(isRelay, RELAYS), RELAYS);

const schemas = {
  network: z.enum(NETWORKS, `one of ${NETWORKS.join(', ')}`),
  flag: z.boolean('true or false'),
  relays: relays.min(1, RELAYS),
  anyRelays: relays,
  log_level: z.enum(LOG_LEVELS, `one of ${LOG_LEVELS.join(', ')}`),
  backend: z.enum(['bitcoind', 'esplora'], 'one of bitcoind, esplora'),
  url: z.string('an http(s) address').refine(isWeb, 'an http:// or https:// address, without credentials'),
  path: filled('the path of a file'),
  user: filled('the name of an RPC user'),
  wallet: z.string('a name').regex(/^[A-Za-z0-9._-]{1,64}$/, '1 to 64 letters, digits, dots, dashes, underscores'),
};

function read<T>(settings: Settings, problems: Problem[], key: Key, schema: z.ZodType<T>): T | undefined {
  const setting = settings.get(key);
  if (setting === undefined) return undefined;
  const parsed = schema.safeParse(setting.value);
  if (parsed.success) return parsed.data;
  problems.push({
    key: setting.from === CONFIG_FILE ? key : `${key} (${setting.from})`,
    text: parsed.error.issues[0]!.message,
  });
  return undefined;
}

function readChain(settings: Settings, problems: Problem[]): ChainConfig | null {
  if (![...settings.keys()].some(key => key.startsWith('chain.'))) return null;
  const before = problems.length;
  const backend = read(settings, problems, 'chain.backend', schemas.backend);
  const url = read(settings, problems, 'chain.url', schemas.url);
  if (!settings.has('chain.backend'))
    problems.push({ key: 'chain.backend', text: 'missing; bitcoind or esplora (--bitcoind URL or --esplora URL)' });
  else if (!settings.has('chain.url')) problems.push({ key: 'chain.url', text: 'missing' });
  if (backend === 'esplora')
    for (const key of ['chain.cookie_file', 'chain.user', 'chain.password_file', 'chain.wallet'] as const)
      if (settings.has(key)) problems.push({ key, text: `${settings.get(key)!.from}: only a bitcoind has a login` });
  const login = backend === 'bitcoind' ? readLogin(settings, problems) : undefined;
  const wallet = read(settings, problems, 'chain.wallet', schemas.wallet) ?? NODE_WALLET;
  if (problems.length > before || backend === undefined || url === undefined) return null;
  return backend === 'esplora' ? { backend, url } : { backend, url, auth: login!, wallet };
}

function readLogin(settings: Settings, problems: Problem[]): RpcAuth | undefined {
  const path = (key: Key): string | undefined => {
    const text = read(settings, problems, key, schemas.path);
    return text === undefined ? undefined : resolve(settings.get(key)!.base, text);
  };
  const cookieFile = path('chain.cookie_file');
  const user = read(settings, problems, 'chain.user', schemas.user);
  const passwordFile = path('chain.password_file');
  const given = [settings.has('chain.cookie_file'), settings.has('chain.user'), settings.has('chain.password_file')];
  if (given.join() === 'true,false,false') return cookieFile === undefined ? undefined : { cookieFile };
  if (given.join() !== 'false,true,true') {
    problems.push({
      key: 'chain.cookie_file',
      text: 'a bitcoind needs either a cookie file (--cookie) or a user and a password file (--user, --password-file)',
    });
    return undefined;
  }
  if (user === undefined || passwordFile === undefined) return undefined;
  const password = readPassword(passwordFile, problems);
  return password === undefined ? undefined : { user, password };
}

function readPassword(path: string, problems: Problem[]): string | undefined {
  const no = (text: string): undefined => {
    problems.push({ key: 'chain.password_file', text });
  };
  try {
    const mode = statSync(path).mode & 0o777;
    if (mode & 0o077) return no(`can be read by others (mode ${mode.toString(8)}): chmod 600 ${shellWord(path)}`);
    const password = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
    return password === '' ? no(`${path} is empty`) : password;
  } catch (error) {
    return no(`${path} cannot be read (${codeOf(error)})`);
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown fault';
const isNotFound = (error: unknown): boolean => codeOf(error) === 'ENOENT';
