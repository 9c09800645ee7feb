import { homedir } from 'node:os';
import { dirname } from 'node:path';
import type { Network } from './bitcoin/network.ts';
import type { RpcAuth } from './chain/index.ts';
import { defaultSettings } from './config/defaults.ts';
import { ConfigError, type ConfigProblem } from './config/error.ts';
import { explain } from './config/explain.ts';
import {
  checkIdentityKey,
  openMode,
  prepareStateDir,
  readRelays,
  readRelaysFile,
  readSecretFile,
  shellWord,
} from './config/files.ts';
import { at, impossiblePairs } from './config/pairs.ts';
import { type Settings, settingsSchema } from './config/schema.ts';
import {
  configPlaces,
  type Environment,
  environmentLayer,
  fileLayer,
  findConfigFile,
  flagLayer,
  layAll,
  type Raw,
} from './config/sources.ts';
import { isRecord } from './nostr/json.ts';
import { parsePublicKey } from './nostr/keys.ts';
import type { AdvertTerms } from './operator/api.ts';

export { ConfigError, type ConfigProblem } from './config/error.ts';

/** A whole, checked configuration. Paths are absolute. */
export interface Config {
  network: Network;
  /** True on the network `bitcoin`, and only there. */
  mainnet: boolean;
  /** Mode 0700. */
  state_dir: string;
  /**
   * A file of mode 0600 with 64 lowercase hex digits, an nsec or an ncryptsec; it was checked, and is not read into here.
   * The passphrase in the other file opens an ncryptsec, and locks the transport keys in the state folder.
   */
  identity: { key_file: string; passphrase_file?: string | undefined };
  /** In one spelling each. Empty only where `by_hand` says that messages are carried as files. */
  relays: string[];
  /** Where they were read from; empty where they are named directly. */
  relays_file: string;
  chain:
    | { backend: 'bitcoind'; url: string; auth: RpcAuth; wallet: string; poll_ms: number }
    | { backend: 'esplora'; url: string; poll_ms: number };
  /** What an advert says unless it is told otherwise; `expires_in` in seconds from its publication. */
  advert: AdvertTerms & { expires_in: number };
  admission: { invites: string[]; allowlist: string[] };
  /** What strangers and members may cost, as in the template of the configuration; the defaults if left out. */
  limits?: Settings['limits'];
  profile: { name: string; about: string };
  /**
   * Where announcement maps of CAS beacons are published: the RPC address of an IPFS node (Kubo). Left out: nowhere. Absent
   * means the same as empty.
   */
  cas?: { kubo_url?: string | undefined };
  log: { level: 'debug' | 'info' | 'warn' | 'error'; format: 'text' | 'json' };
}

/** Where a configuration comes from; flags over environment over file. */
export interface ConfigInput {
  flags?: {
    /** Path of the file. */
    config?: string | undefined;
    /** Values by dotted key: texts are read as variables are. */
    settings?: Readonly<Record<string, string | boolean | readonly string[]>>;
  };
  env: Environment;
  cwd: string;
  /** The user's home folder, if not the system's. */
  home?: string;
  /** Whether a person is watching: then the log is text by default, else JSON. */
  tty?: boolean;
}

interface Gathered {
  file: string | null;
  source: string;
  raw: Raw;
  problems: ConfigProblem[];
  fromFile: Raw;
}

const missingFile = (places: readonly string[]): string =>
  `no configuration file (looked for ${places.join(' and ')}; \`btcr2-aggregator init\` writes one)`;

function gather({ flags = {}, env, cwd, home = homedir(), tty = true }: ConfigInput): Gathered {
  const file = findConfigFile({ named: flags.config, env, cwd, home });
  const layers = [
    file === null ? { values: {}, problems: [] } : fileLayer(file, home),
    environmentLayer(env, cwd, home),
    flagLayer(flags.settings ?? {}, cwd, home),
  ];
  const given = layAll(layers.map(layer => layer.values));
  const defaults = defaultSettings({
    network: given.network,
    backend: at(given, 'chain.backend'),
    base: file === null ? cwd : dirname(file),
    isTty: tty,
  });
  return {
    file,
    source: file ?? missingFile(configPlaces({ cwd, home })),
    raw: layAll([defaults, ...layers.map(layer => layer.values)]),
    problems: layers.flatMap(layer => layer.problems),
    fromFile: layers[0]!.values,
  };
}

/** Wallets show keys as npub or nprofile (NIP-19), alone or as `nostr:` URIs (NIP-21): taken as well as x-only hex. */
function toXOnly(entry: unknown): unknown {
  return typeof entry === 'string' ? (parsePublicKey(entry) ?? entry) : entry;
}

function normalized(raw: Raw): Raw {
  const { admission } = raw;
  if (!isRecord(admission) || !Array.isArray(admission.allowlist)) return raw;
  return { ...raw, admission: { ...admission, allowlist: admission.allowlist.map(toXOnly) } };
}

const isUsed = (value: unknown): boolean => (Array.isArray(value) ? value.length > 0 : value !== undefined);

/** A configuration file with a secret in it is a secret file. */
function checkFileMode({ file, fromFile }: Gathered): ConfigProblem[] {
  const secret = ['chain.password', 'admission.invites'].find(key => isUsed(at(fromFile, key)));
  const mode = file === null || secret === undefined ? null : openMode(file);
  if (file === null || mode === null) return [];
  const text = `stands in ${file}, which others can read (mode ${mode}). Run: chmod 600 ${shellWord(file)}`;
  return [{ key: secret!, text }];
}

/** Longest path of a Unix socket on the systems that Node knows (104 bytes with the closing zero), less its name. */
const MAX_STATE_DIR = 103 - '/control.sock'.length;

function checkStateDir(raw: Raw): ConfigProblem[] {
  const { state_dir } = raw;
  if (typeof state_dir !== 'string' || Buffer.byteLength(state_dir) <= MAX_STATE_DIR) return [];
  const text = `has to be at most ${MAX_STATE_DIR} bytes long: the control socket lives in it`;
  return [{ key: 'state_dir', text }];
}

/**
 * Reads and checks the whole configuration: one TOML file, `BTCR2_<SECTION>_<KEY>`, flags. Makes the state folder.
 * Throws ConfigError with everything that is wrong with it: unknown keys, wrong types, impossible pairs, relays that are
 * none, keys that are missing or that others can read. No message quotes a secret.
 */
export function loadConfig(input: ConfigInput): Config {
  const gathered = gather(input);
  const raw = normalized(gathered.raw);
  const problems = [...gathered.problems];
  // A file that is no TOML says nothing: what it seems to lack would be told in vain.
  if (gathered.file !== null && problems.some(({ key }) => key.startsWith(gathered.file!)))
    throw new ConfigError(gathered.source, problems);

  const parsed = settingsSchema.safeParse(raw);
  if (!parsed.success) problems.push(...parsed.error.issues.flatMap(issue => explain(issue, raw)));
  problems.push(...impossiblePairs(raw), ...checkFileMode(gathered), ...checkStateDir(raw));

  function take<T>(checked: { ok: true; value: T } | { ok: false; problems: ConfigProblem[] }): T | null {
    if (checked.ok) return checked.value;
    problems.push(...checked.problems);
    return null;
  }
  const textAt = (key: string): string | null => {
    const value = at(raw, key);
    return typeof value === 'string' && value !== '' ? value : null;
  };
  const keyFile = textAt('identity.key_file');
  if (keyFile !== null) problems.push(...checkIdentityKey(keyFile, textAt('identity.passphrase_file')));
  const relaysFile = textAt('relays_file');
  const byHand = raw.by_hand === true;
  const relays =
    raw.relays !== undefined
      ? take(readRelays('relays', raw.relays, byHand))
      : relaysFile === null
        ? null
        : take(readRelaysFile(relaysFile, byHand));
  const secretFile = (key: string): string | null => {
    const path = textAt(key);
    return path === null ? null : take(readSecretFile(key, path));
  };
  const password = secretFile('chain.password_file');
  const invites = secretFile('admission.invites_file');
  // Whether it can be read is known now; what it says is read by the daemon, and kept nowhere.
  secretFile('identity.passphrase_file');

  if (problems.length === 0 && parsed.success) problems.push(...prepareStateDir(parsed.data.state_dir));
  if (!parsed.success || relays === null || problems.length > 0)
    throw new ConfigError(gathered.source, distinct(problems));
  return assemble(parsed.data, { relays, password, invites });
}

/** One problem a key and text: a value can be wrong by its type and in a pair alike. */
const distinct = (problems: readonly ConfigProblem[]): ConfigProblem[] => [
  ...new Map(problems.map(problem => [`${problem.key}\n${problem.text}`, problem])).values(),
];

function assemble(
  settings: Settings,
  read: { relays: string[]; password: string | null; invites: string | null },
): Config {
  const { network, mainnet, state_dir, identity, chain, advert, admission, limits, profile, cas, log } = settings;
  return {
    network,
    mainnet,
    state_dir,
    identity,
    relays: read.relays,
    relays_file: settings.relays === undefined ? (settings.relays_file ?? '') : '',
    chain: chain.backend === 'esplora' ? chain : bitcoindOf(chain, read.password),
    advert,
    admission: { invites: [...admission.invites, ...linesOf(read.invites)], allowlist: admission.allowlist },
    limits,
    profile,
    cas,
    log,
  };
}

function bitcoindOf(
  chain: Extract<Settings['chain'], { backend: 'bitcoind' }>,
  password: string | null,
): Config['chain'] {
  const { backend, url, wallet, poll_ms, cookie_file, user } = chain;
  const auth =
    cookie_file === undefined
      ? { user: user ?? '', password: chain.password ?? password ?? '' }
      : { cookieFile: cookie_file };
  return { backend, url, auth, wallet, poll_ms };
}

const linesOf = (text: string | null): string[] =>
  (text ?? '')
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '');

/**
 * The state folder alone, by the same rules: what a command needs that only talks to the daemon.
 * Throws ConfigError if the file or the folder's name cannot be read.
 */
export function locateState(input: ConfigInput): string {
  const { raw, source, file, problems } = gather(input);
  const unreadable = problems.filter(({ key }) => key === 'state_dir' || (file !== null && key.startsWith(file)));
  if (unreadable.length > 0) throw new ConfigError(source, unreadable);
  const { state_dir } = raw;
  if (typeof state_dir !== 'string' || state_dir === '')
    throw new ConfigError(source, [{ key: 'state_dir', text: 'has to be text: the path of a folder' }]);
  return state_dir;
}

/** The file that `loadConfig` would read; null if there is none. */
export const configFileOf = ({ flags, env, cwd, home = homedir() }: ConfigInput): string | null =>
  findConfigFile({ named: flags?.config, env, cwd, home });

/** A configuration fit to be shown: passwords, invites and what URLs carry behind a question mark are left out. */
export function withoutSecrets(config: Config): Record<string, unknown> {
  const { chain, admission } = config;
  const url = chain.url.replace(/\?.*$/s, '?…');
  return {
    ...config,
    relays: config.relays.map(relay => relay.replace(/\?.*$/s, '?…')),
    chain:
      chain.backend === 'bitcoind' && 'user' in chain.auth
        ? { ...chain, url, auth: { user: chain.auth.user, password: 'set' } }
        : { ...chain, url },
    admission: { invites: `${admission.invites.length} set`, allowlist: admission.allowlist },
    ...(config.cas?.kubo_url === undefined ? {} : { cas: { kubo_url: config.cas.kubo_url.replace(/\?.*$/s, '?…') } }),
  };
}
