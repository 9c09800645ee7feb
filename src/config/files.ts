import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { isRecord, parseJson } from '../nostr/json.ts';
import { isNcryptsec, parseSecretKey } from '../nostr/keys.ts';
import { normalizeRelayUrl } from '../nostr/url.ts';
import type { ConfigProblem } from './error.ts';

type Checked<T> = { ok: true; value: T } | { ok: false; problems: ConfigProblem[] };

const refused = (key: string, text: string): { ok: false; problems: ConfigProblem[] } => ({
  ok: false,
  problems: [{ key, text }],
});

/** A path as one word of a shell command. */
export const shellWord = (path: string): string =>
  /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;

const OTHERS = 0o077;
const MAX_FILE = 1_048_576;
/** Windows has no such modes, and reports some that mean nothing. */
const hasModes = process.platform !== 'win32';

/** The file's mode if anybody but its owner has rights on it; else null. */
export function openMode(path: string): string | null {
  const mode = statSync(path).mode & 0o777;
  return hasModes && (mode & OTHERS) !== 0 ? mode.toString(8).padStart(4, '0') : null;
}

function readText(
  key: string,
  path: string,
  { isSecret, missing }: { isSecret: boolean; missing: string },
): Checked<string> {
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (!stats) return refused(key, `there is no ${path}. ${missing}`);
    if (!stats.isFile() || stats.size > MAX_FILE) return refused(key, `${path} is no file that could be meant`);
    const mode = isSecret ? openMode(path) : null;
    if (mode !== null)
      return refused(key, `${path} can be read by others (mode ${mode}). Run: chmod 600 ${shellWord(path)}`);
    return { ok: true, value: readFileSync(path, 'utf8') };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    return refused(key, `${path} cannot be read (${code})`);
  }
}

/**
 * Whether the identity key can be used: there, a secret key, and its owner's alone. A locked one (`ncryptsec`, NIP-49) needs
 * a passphrase file, and is opened by the daemon only. Every refusal names the command that helps.
 */
export function checkIdentityKey(path: string, passphraseFile: string | null = null): ConfigProblem[] {
  const key = 'identity.key_file';
  const word = shellWord(path);
  const missing = `Run: btcr2-aggregator init, or: (umask 077 && openssl rand -hex 32 > ${word})`;
  const text = readText(key, path, { isSecret: true, missing });
  if (!text.ok) return text.problems;
  if (isNcryptsec(text.value)) {
    if (passphraseFile !== null) return [];
    return [{ key: 'identity.passphrase_file', text: `is missing: ${path} is locked by a passphrase (ncryptsec)` }];
  }
  const secret = parseSecretKey(text.value);
  if (secret === null)
    return [{ key, text: `${path} has to hold one secret key: 64 lowercase hex digits, or an nsec` }];
  secret.fill(0);
  return [];
}

/** A secret in a file of its own, without the line break that editors put behind it. */
export function readSecretFile(key: string, path: string): Checked<string> {
  const text = readText(key, path, { isSecret: true, missing: 'Put the secret there, mode 600' });
  if (!text.ok) return text;
  const value = text.value.replace(/\r?\n$/, '');
  return value === '' ? refused(key, `${path} is empty`) : { ok: true, value };
}

/** Relay addresses in one spelling each. Refuses an empty list, unless messages are carried by hand, and whatever is no ws:// or wss:// address. */
export function readRelays(key: string, given: unknown, byHand = false): Checked<string[]> {
  if (!Array.isArray(given)) return refused(key, 'has to be a list of ws:// or wss:// addresses');
  if (given.length === 0 && !byHand)
    return refused(
      key,
      'has to name at least one relay, such as "wss://relay.example.org"; without any, set by_hand = true',
    );
  const problems: ConfigProblem[] = [];
  const urls = new Set<string>();
  for (const [i, url] of given.entries()) {
    try {
      urls.add(normalizeRelayUrl(typeof url === 'string' ? url : ''));
    } catch {
      problems.push({ key: `${key}[${i}]`, text: 'has to be a ws:// or wss:// address without user and password' });
    }
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, value: [...urls] };
}

/** Reads relays.json: `{"relays": ["wss://…"]}` or the plain list. By hand there may be none. */
export function readRelaysFile(path: string, byHand = false): Checked<string[]> {
  const key = 'relays_file';
  if (byHand && !existsSync(path)) return { ok: true, value: [] };
  const missing = `Write {"relays": ["wss://…"]} there, or run: btcr2-aggregator init`;
  const text = readText(key, path, { isSecret: false, missing });
  if (!text.ok) return text;
  const parsed = parseJson(text.value, { chars: MAX_FILE, depth: 4 });
  const isWrapped = isRecord(parsed) && Object.keys(parsed).length === 1 && 'relays' in parsed;
  const list = isWrapped ? parsed.relays : parsed;
  if (!Array.isArray(list))
    return refused(key, `${path} has to be JSON like {"relays": ["wss://…"]}, or the list alone`);
  return readRelays(path, list, byHand);
}

/** Makes the state folder (mode 0700), or checks the one that is there: what others can write into is nobody's state. */
export function prepareStateDir(path: string): ConfigProblem[] {
  const key = 'state_dir';
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const stats = statSync(path);
    if (!stats.isDirectory()) return [{ key, text: `${path} is no folder` }];
    if (hasModes && (stats.mode & 0o022) !== 0)
      return [{ key, text: `${path} can be written by others. Run: chmod 700 ${shellWord(path)}` }];
    return [];
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    return [{ key, text: `${path} cannot be made (${code})` }];
  }
}
