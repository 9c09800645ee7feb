import { readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import { isRecord } from '../nostr/json.ts';
import type { ConfigProblem } from './error.ts';
import { nearest } from './explain.ts';
import { at } from './pairs.ts';
import { LEAVES, type LeafKind, PATH_KEYS } from './schema.ts';

export type Raw = Record<string, unknown>;

/** What one source says, before anything is checked, and what of it cannot be read at all. */
export interface Layer {
  readonly values: Raw;
  readonly problems: readonly ConfigProblem[];
}

export type Environment = Readonly<Record<string, string | undefined>>;

const NAME = 'btcr2-aggregator.toml';

/** The configuration file: named by flag or BTCR2_CONFIG, else the first that is there; null if there is none. */
export function findConfigFile(where: {
  named?: string | undefined;
  env: Environment;
  cwd: string;
  home: string;
}): string | null {
  const named = where.named ?? (where.env.BTCR2_CONFIG || undefined);
  if (named !== undefined) return absolute(named, where.cwd, where.home);
  return configPlaces(where).find(path => statSync(path, { throwIfNoEntry: false })?.isFile()) ?? null;
}

/** Where a configuration file is looked for when none is named. */
export const configPlaces = ({ cwd, home }: { cwd: string; home: string }): string[] => [
  join(cwd, NAME),
  join(home, '.config', 'btcr2-aggregator', 'config.toml'),
];

/** An absolute path; `~/` is the home folder. */
export function absolute(path: string, base: string, home: string): string {
  if (path.startsWith('~/')) return join(home, path.slice(2));
  return isAbsolute(path) ? path : resolve(base, path);
}

/** Objects without a prototype: a key called `__proto__` is then a key like any other, and refused as unknown. */
const table = (entries: Iterable<readonly [string, unknown]> = []): Raw => {
  const out: Raw = Object.create(null);
  for (const [key, value] of entries) out[key] = value;
  return out;
};

function put(raw: Raw, key: string, value: unknown): void {
  const parts = key.split('.');
  const last = parts.pop()!;
  let inner = raw;
  for (const part of parts) {
    const next = inner[part];
    const owned = isRecord(next) ? next : table();
    inner[part] = owned;
    inner = owned;
  }
  inner[last] = value;
}

function withPaths(raw: Raw, base: string, home: string): Raw {
  for (const key of PATH_KEYS) {
    const value = at(raw, key);
    if (typeof value === 'string' && value !== '') put(raw, key, absolute(value, base, home));
  }
  return raw;
}

/** Reads a TOML file; relative paths in it start at its own folder. */
export function fileLayer(path: string, home: string): Layer {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    const what =
      code === 'ENOENT' ? 'there is no such file; `btcr2-aggregator init` writes one' : `cannot be read (${code})`;
    return { values: table(), problems: [{ key: path, text: what }] };
  }
  try {
    return { values: withPaths(merge(table(), parse(text)), dirname(path), home), problems: [] };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The rest of the parser's message quotes the file, and with it maybe a password.
    const [first = ''] = error.message.split('\n');
    const reason = first.replace(/^Invalid TOML document: /, '');
    return {
      values: table(),
      problems: [{ key: `${path}:${error.line}:${error.column}`, text: `not TOML: ${reason}` }],
    };
  }
}

/** A text as the kind of value that its key takes; left as it is where it is none, so that the check can name the key. */
function fromText(text: string, kind: LeafKind): unknown {
  switch (kind) {
    case 'number':
      return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'list':
      return text
        .split(',')
        .map(entry => entry.trim())
        .filter(entry => entry !== '');
    case 'text':
      return text;
  }
}

/** The environment variable of a dotted key: `advert.fee_cap` is BTCR2_ADVERT_FEE_CAP. */
export const variableOf = (key: string): string => `BTCR2_${key.replaceAll('.', '_').toUpperCase()}`;

const VARIABLES = new Map([...LEAVES.keys()].map(key => [variableOf(key), key]));
/** Variables of the same family that are not this configuration's. */
const FOREIGN = /^BTCR2_(?:CONFIG|CACHE|BITCOIND|NOSTR_RS_RELAY|WALLET(?:_.*)?|TEST_.*|DEMO_.*)$/;

/** Reads `BTCR2_<SECTION>_<KEY>`; lists are separated by commas, an empty variable counts as not set. */
export function environmentLayer(env: Environment, cwd: string, home: string): Layer {
  const values = table();
  const problems: ConfigProblem[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('BTCR2_') || FOREIGN.test(name) || text === undefined || text === '') continue;
    const key = VARIABLES.get(name);
    if (key !== undefined) put(values, key, fromText(text, LEAVES.get(key)!));
    else {
      const meant = nearest(name, VARIABLES.keys());
      problems.push({ key: name, text: `unknown variable${meant === null ? '' : `; did you mean ${meant}?`}` });
    }
  }
  return { values: withPaths(values, cwd, home), problems };
}

/** Settings by dotted key, as flags give them. */
export function flagLayer(
  settings: Readonly<Record<string, string | boolean | readonly string[]>>,
  cwd: string,
  home: string,
): Layer {
  const values = table();
  const problems: ConfigProblem[] = [];
  for (const [key, given] of Object.entries(settings)) {
    const kind = LEAVES.get(key);
    if (kind === undefined) {
      const meant = nearest(key, LEAVES.keys());
      problems.push({ key, text: `unknown key${meant === null ? '' : `; did you mean ${meant}?`}` });
    } else put(values, key, typeof given === 'string' ? fromText(given, kind) : given);
  }
  return { values: withPaths(values, cwd, home), problems };
}

function merge(under: Raw, over: Raw): Raw {
  const out = table(Object.entries(under));
  for (const [key, value] of Object.entries(over)) {
    const below = out[key];
    out[key] = isRecord(value) && !(value instanceof Date) ? merge(isRecord(below) ? below : table(), value) : value;
  }
  return out;
}

/** Ways to say the same thing: a layer that uses one takes the others away from the layers under it. */
const ALTERNATIVES: readonly (readonly (readonly string[])[])[] = [
  [['relays'], ['relays_file']],
  [['chain.cookie_file'], ['chain.user', 'chain.password', 'chain.password_file']],
  [['chain.password'], ['chain.password_file']],
];

function remove(raw: Raw, key: string): void {
  const parts = key.split('.');
  const last = parts.pop()!;
  const inner = parts.length === 0 ? raw : at(raw, parts.join('.'));
  if (isRecord(inner)) delete inner[last];
}

function lay(under: Raw, over: Raw): Raw {
  const base = merge(table(), under);
  const backend = at(over, 'chain.backend');
  // Another backend is another section: a cookie of the one below means nothing to it.
  if (backend !== undefined && at(base, 'chain.backend') !== undefined && backend !== at(base, 'chain.backend'))
    base.chain = table([['poll_ms', at(base, 'chain.poll_ms')]]);
  for (const group of ALTERNATIVES) {
    const isUsed = (keys: readonly string[]): boolean => keys.some(key => at(over, key) !== undefined);
    if (group.some(isUsed)) for (const keys of group) if (!isUsed(keys)) for (const key of keys) remove(base, key);
  }
  return merge(base, over);
}

/** Lays sources over one another, the strongest last. */
export const layAll = (layers: readonly Raw[]): Raw => layers.reduce(lay, table());
