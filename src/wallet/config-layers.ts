import { parse, TomlError } from 'smol-toml';

/** The keys of wallet.toml; `chain.url` is `url` in its `[chain]` table, and BTCR2_WALLET_CHAIN_URL in the environment. */
export const KEYS = [
  'network',
  'mainnet',
  'relays',
  'by_hand',
  'log_level',
  'chain.backend',
  'chain.url',
  'chain.cookie_file',
  'chain.user',
  'chain.password_file',
  'chain.wallet',
  'cas.kubo_url',
  'state.on_relays',
] as const;

export type Key = (typeof KEYS)[number];

/** One place that settings come from. */
export interface Layer {
  values: Partial<Record<Key, unknown>>;
  /** How a person names a setting of this place, such as `--relay` or `wallet.toml`. */
  from: (key: Key) => string;
  /** What relative paths of this place start at. */
  base: string;
}

/** Something wrong with one setting. */
export interface Problem {
  key: string;
  text: string;
}

type Read = { layer: Layer; problems: Problem[] };

const ENV_PREFIX = 'BTCR2_WALLET_';
/** Chosen before any configuration is read. */
const HOME_VARIABLE = `${ENV_PREFIX}HOME`;
/** Passphrases are no settings: they are read when they are needed, and kept nowhere. Each also as `…_FILE`. */
export const PASSPHRASE_VARIABLES = {
  present: `${ENV_PREFIX}PASSPHRASE`,
  next: `${ENV_PREFIX}NEW_PASSPHRASE`,
} as const;
const NO_SETTINGS: readonly string[] = [
  HOME_VARIABLE,
  ...Object.values(PASSPHRASE_VARIABLES).flatMap(name => [name, `${name}_FILE`]),
];
const AUTH_KEYS = ['chain.cookie_file', 'chain.user', 'chain.password_file'] as const satisfies Key[];

const isKey = (key: string): key is Key => (KEYS as readonly string[]).includes(key);
const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

const unknownKey = (key: string, from: string): Problem => ({
  key,
  text: `unknown in ${from}; known: ${KEYS.join(', ')}`,
});

/** The environment variable of a key. */
export const envName = (key: Key): string => ENV_PREFIX + key.toUpperCase().replace('.', '_');

/** The settings of a wallet.toml; `folder` holds it. Unknown keys and bad syntax are problems, which never quote the file. */
export function readToml(text: string, folder: string): Read {
  const from = 'wallet.toml';
  const layer: Layer = { values: {}, from: () => from, base: folder };
  let root: unknown;
  try {
    root = parse(text);
  } catch (error) {
    const where = error instanceof TomlError ? ` at line ${error.line}, column ${error.column}` : '';
    return { layer, problems: [{ key: from, text: `is not TOML${where}` }] };
  }
  const problems: Problem[] = [];
  for (const [key, value] of flatten(root))
    if (isKey(key)) layer.values[key] = value;
    else problems.push(unknownKey(key, from));
  return { layer, problems };
}

function flatten(root: unknown): [string, unknown][] {
  if (!isTable(root)) return [];
  return Object.entries(root).flatMap(([key, value]) =>
    isTable(value)
      ? Object.entries(value).map(([inner, setting]): [string, unknown] => [`${key}.${inner}`, setting])
      : [[key, value] as [string, unknown]],
  );
}

const FLAG_WORDS: Readonly<Record<string, boolean>> = { true: true, '1': true, false: false, '0': false };

function fromText(key: Key, text: string): unknown {
  if (key === 'relays') return text.split(/[\s,]+/).filter(part => part !== '');
  if (key === 'mainnet' || key === 'by_hand' || key === 'state.on_relays') return FLAG_WORDS[text] ?? text;
  return text;
}

/** The settings of the environment: `BTCR2_WALLET_<KEY>`, relays separated by commas. Unknown names are problems. */
export function readEnv(env: Readonly<Record<string, string | undefined>>, cwd: string): Read {
  const layer: Layer = { values: {}, from: envName, base: cwd };
  const problems: Problem[] = [];
  const byName = new Map(KEYS.map(key => [envName(key), key]));
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(ENV_PREFIX) || NO_SETTINGS.includes(name) || text === undefined || text === '') continue;
    const key = byName.get(name);
    if (key === undefined) problems.push({ key: name, text: `unknown; known: ${[...byName.keys()].join(', ')}` });
    else layer.values[key] = fromText(key, text);
  }
  return { layer, problems };
}

/** Command-line flags that are settings; the names are those of the command line. */
export interface ConfigFlags {
  network?: string;
  mainnet?: boolean;
  relay?: string[];
  bitcoind?: string;
  esplora?: string;
  cookie?: string;
  user?: string;
  'password-file'?: string;
  'log-level'?: string;
}

const FLAG_NAMES: Readonly<Record<Key, string>> = {
  network: '--network',
  mainnet: '--mainnet',
  relays: '--relay',
  by_hand: 'by_hand',
  log_level: '--log-level',
  'chain.backend': '--bitcoind or --esplora',
  'chain.url': '--bitcoind or --esplora',
  'chain.cookie_file': '--cookie',
  'chain.user': '--user',
  'chain.password_file': '--password-file',
  'chain.wallet': 'the node wallet',
  'cas.kubo_url': 'the content store',
  'state.on_relays': 'the state on relays',
};

/** The settings of the command line. Naming both chain backends is a problem. */
export function readFlags(flags: ConfigFlags, cwd: string): Read {
  const both = flags.bitcoind !== undefined && flags.esplora !== undefined;
  const backend = flags.bitcoind !== undefined ? 'bitcoind' : flags.esplora !== undefined ? 'esplora' : undefined;
  const chosen: [Key, unknown][] = [
    ['network', flags.network],
    ['mainnet', flags.mainnet],
    ['relays', flags.relay],
    ['log_level', flags['log-level']],
    ['chain.backend', backend],
    ['chain.url', flags.bitcoind ?? flags.esplora],
    ['chain.cookie_file', flags.cookie],
    ['chain.user', flags.user],
    ['chain.password_file', flags['password-file']],
  ];
  return {
    layer: {
      values: Object.fromEntries(chosen.filter(([, value]) => value !== undefined)),
      from: key => FLAG_NAMES[key],
      base: cwd,
    },
    problems: both ? [{ key: 'chain.backend', text: '--bitcoind and --esplora exclude each other' }] : [],
  };
}

/** A setting and where it came from. */
export interface Setting {
  value: unknown;
  from: string;
  base: string;
}

export type Settings = Map<Key, Setting>;

/**
 * Lays settings over each other, weakest layer first. A layer that names another chain backend, or another login,
 * replaces that group as a whole: a cookie of one node is never offered to another kind of login.
 */
export function mergeLayers(layers: readonly Layer[]): Settings {
  const settings: Settings = new Map();
  for (const { values, from, base } of layers) {
    const backend = values['chain.backend'];
    if (backend !== undefined && backend !== settings.get('chain.backend')?.value)
      for (const key of KEYS) if (key.startsWith('chain.')) settings.delete(key);
    if (AUTH_KEYS.some(key => values[key] !== undefined)) for (const key of AUTH_KEYS) settings.delete(key);
    for (const key of KEYS)
      if (values[key] !== undefined) settings.set(key, { value: values[key], from: from(key), base });
  }
  return settings;
}
