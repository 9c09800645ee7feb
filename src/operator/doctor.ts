import { existsSync } from 'node:fs';
import { access, constants, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { type Chain, ChainError, requireNetwork } from '../chain/index.ts';
import { openMode, shellWord } from '../config/files.ts';
import type { Config } from '../config.ts';
import { parseRelayFrame } from '../nostr/frame.ts';
import { connectRelay, fetchRelayLimits, messageOf, type OpenSocket, printable, RELAY_WORK } from '../nostr/index.ts';
import { nodeSocket } from '../nostr/websocket-node.ts';
import { openStore, StoreLocked, StoreVersionError } from '../store/index.ts';
import { takeLock } from '../store/lock.ts';
import { ControlError, callControl } from './control.ts';
import { controlPath } from './run.ts';
import { duration, plural, thousands } from './terminal.ts';

/** `warn` works and deserves a look; `fail` keeps the aggregator from working. */
export interface Finding {
  readonly check: string;
  readonly level: 'ok' | 'warn' | 'fail';
  readonly text: string;
}

export interface DoctorOptions {
  config: Config;
  /** Where the configuration was read from, if from a file. */
  file: string | null;
  chain: Chain;
  nodeVersion: string;
  /** Unix seconds. */
  now: () => number;
}

const finding = (check: string, level: Finding['level'], text: string): Finding => ({ check, level, text });
const NEEDED: readonly [number, number] = [20, 19];

/** Whether this Node runs the package (`engines` of package.json). */
export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  const isEnough = major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);
  return finding(
    'node',
    isEnough ? 'ok' : 'fail',
    isEnough ? version : `${version}: at least ${NEEDED.join('.')} is needed`,
  );
}

const LEAST_BYTES = 256 * 1_048_576;

async function checkStateDir(dir: string): Promise<Finding> {
  try {
    await access(dir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    return finding('state folder', 'fail', `${dir} cannot be written`);
  }
  const { bavail, bsize } = await statfs(dir);
  const free = bavail * bsize;
  const mode = openMode(dir);
  if (free < LEAST_BYTES)
    return finding('state folder', 'warn', `${dir}: only ${thousands(free / 1_048_576)} MiB are left on its disk`);
  if (mode !== null)
    return finding('state folder', 'warn', `${dir} is open to others (mode ${mode}). Run: chmod 700 ${shellWord(dir)}`);
  return finding('state folder', 'ok', dir);
}

function checkFiles({ config, file }: DoctorOptions): Finding[] {
  const { key_file } = config.identity;
  const keys = [finding('identity key', 'ok', `${key_file}, its owner's alone`), checkCohortKeys(config.state_dir)];
  if (file === null) return [finding('configuration', 'ok', 'from variables and flags'), ...keys];
  const mode = openMode(file);
  const text =
    mode === null ? file : `${file}, readable by others (mode ${mode}), which is fine while no secret stands in it`;
  return [finding('configuration', 'ok', text), ...keys];
}

function checkCohortKeys(stateDir: string): Finding {
  const path = join(stateDir, 'keys.json');
  if (!existsSync(path)) return finding('cohort keys', 'ok', 'none yet');
  const mode = openMode(path);
  return mode === null
    ? finding('cohort keys', 'ok', `${path}, its owner's alone`)
    : finding('cohort keys', 'fail', `${path} can be read by others (mode ${mode}). Run: chmod 600 ${shellWord(path)}`);
}

async function runningPid(stateDir: string): Promise<number | null> {
  try {
    const status = await callControl(controlPath(stateDir), 'status', {}, { timeoutMs: 5_000 });
    return typeof status === 'object' && status !== null && 'pid' in status ? Number(status.pid) : null;
  } catch (error) {
    if (error instanceof ControlError) return null;
    throw error;
  }
}

/** The lock is tried and given back at once; a database is never opened for writing. */
async function checkDatabase(stateDir: string): Promise<Finding> {
  const path = join(stateDir, 'aggregator.db');
  if (!existsSync(path)) return finding('database', 'ok', 'not made yet');
  const pid = await runningPid(stateDir);
  try {
    if (pid === null) takeLock(path)();
    openStore(path, { application: 'aggregator', readonly: true, check: true }).close();
  } catch (error) {
    if (error instanceof StoreLocked)
      return finding('database', 'fail', `${messageOf(error)}, which does not answer at ${controlPath(stateDir)}`);
    if (error instanceof StoreVersionError && error.reason === 'older')
      return finding('database', 'ok', `schema version ${error.found}: the next start brings it to ${error.expected}`);
    return finding('database', 'fail', messageOf(error));
  }
  return finding(
    'database',
    'ok',
    pid === null ? "whole, and in nobody's use" : `whole, in use by the aggregator (process ${pid})`,
  );
}

const RELAY_MS = 5_000;
const NOBODY = '0'.repeat(64);
/** A message of the protocol that is not chunked any further has to fit. */
const LEAST_MESSAGE = 16_384;

type RelayAnswer = { ok: true; ms: number; note: string | null } | { ok: false; reason: string };

/**
 * Asks a relay for stored events that cannot exist, and waits for any answer. A relay that wants authentication first
 * (NIP-42) is fine: the aggregator authenticates.
 */
function askRelay(url: string): Promise<RelayAnswer> {
  const since = Date.now();
  return new Promise(resolve => {
    let end: (answer: RelayAnswer) => void = () => {};
    const openSocket: OpenSocket = (to, handlers, limits) =>
      nodeSocket(
        to,
        {
          ...handlers,
          onText(text) {
            const frame = parseRelayFrame(text);
            if (frame?.type === 'CLOSED')
              end({ ok: true, ms: Date.now() - since, note: `closes requests: ${printable(frame.message)}` });
            handlers.onText(text);
          },
          onDown(reason) {
            end({ ok: false, reason: printable(reason) });
            handlers.onDown(reason);
          },
        },
        limits,
      );
    const connection = connectRelay(url, { openSocket, fetchLimits: null });
    const timer = setTimeout(
      () => end({ ok: false, reason: `no answer within ${duration(RELAY_MS / 1000)}` }),
      RELAY_MS,
    );
    end = answer => {
      end = () => {};
      clearTimeout(timer);
      void connection.close().then(() => resolve(answer));
    };
    connection.subscribe('doctor', {
      filters: () => [{ ids: [NOBODY], limit: 1 }],
      onEvent: () => {},
      onEose: () => end({ ok: true, ms: Date.now() - since, note: null }),
    });
  });
}

/** Seconds that our clock is ahead of the server's, by the `Date` of its answer (RFC 9110); null if it tells none. */
async function clockAhead(url: string, now: () => number): Promise<number | null> {
  try {
    const response = await fetch(url.replace(/^ws/, 'http'), {
      headers: { accept: 'application/nostr+json' },
      redirect: 'error',
      signal: AbortSignal.timeout(RELAY_MS),
    });
    await response.body?.cancel();
    const date = Date.parse(response.headers.get('date') ?? '');
    return Number.isNaN(date) ? null : now() - Math.floor(date / 1000);
  } catch {
    return null;
  }
}

interface RelayFinding {
  finding: Finding;
  ahead: number | null;
}

async function checkRelay(url: string, now: () => number): Promise<RelayFinding> {
  const answered = await askRelay(url);
  if (!answered.ok) return { finding: finding(`relay ${url}`, 'fail', answered.reason), ahead: null };
  const [limits, ahead] = await Promise.all([
    fetchRelayLimits(url, AbortSignal.timeout(RELAY_MS)),
    clockAhead(url, now),
  ]);
  const { maxMessageBytes = null, maxSubscriptions = null, minPow = null } = limits ?? {};
  const told = [
    `answered in ${answered.ms} ms`,
    answered.note,
    limits === null ? 'tells no limits (NIP-11)' : null,
    maxMessageBytes === null ? null : `messages up to ${thousands(maxMessageBytes)} bytes`,
    maxSubscriptions === null ? null : plural(maxSubscriptions, 'subscription'),
    minPow === null ? null : `wants ${minPow} bits of proof of work`,
  ];
  const isTight = maxMessageBytes !== null && maxMessageBytes < LEAST_MESSAGE;
  const isDear = minPow !== null && minPow > RELAY_WORK;
  const text = told.filter(part => part !== null).join(', ');
  const level = isTight || isDear ? 'warn' : 'ok';
  const so = isTight ? ': too small for some messages' : isDear ? ': too much, it gets no message of ours' : '';
  return { finding: finding(`relay ${url}`, level, `${text}${so}`), ahead };
}

const BLOCKS_LATE = 2 * 3_600;
const BLOCKS_STALE = 86_400;

interface ChainFinding {
  findings: Finding[];
  mediantime: number | null;
}

async function checkChain({ config, chain, now }: DoctorOptions): Promise<ChainFinding> {
  const name = `chain (${chain.kind})`;
  try {
    await requireNetwork(chain, config.network);
    const tip = await chain.tip();
    const age = now() - tip.time;
    const at = `${config.network}, height ${thousands(tip.height)}`;
    // Nobody mines on regtest unless asked to, so the age of a block says nothing there.
    const isLate = config.network !== 'regtest' && age > BLOCKS_LATE;
    const level = !isLate ? 'ok' : age > BLOCKS_STALE ? 'fail' : 'warn';
    const text = isLate
      ? `${at}, but the newest block is ${duration(age)} old: not synced, or this clock is ahead`
      : at;
    return { findings: [finding(name, level, text)], mediantime: tip.mediantime };
  } catch (error) {
    const text =
      error instanceof ChainError && error.code === 'unauthorized' ? `${error.message}: see [chain]` : messageOf(error);
    return { findings: [finding(name, 'fail', text)], mediantime: null };
  }
}

const SKEW_WARN = 30;
/** Relays and members refuse what is dated further ahead. */
const SKEW_FAIL = 600;

/** Our clock against the relays' (the middle one, so that one that lies moves nothing) and against the chain's median time. */
export function checkClock(ahead: readonly number[], mediantime: number | null, now: number): Finding {
  if (mediantime !== null && mediantime > now + SKEW_WARN)
    return finding('clock', 'fail', `behind the chain's median time by ${duration(mediantime - now)}`);
  if (ahead.length === 0)
    return mediantime === null
      ? finding('clock', 'warn', 'neither a relay nor the chain told the time')
      : finding('clock', 'ok', "not behind the chain's median time; no relay told the time");
  const skew = [...ahead].sort((a, b) => a - b)[Math.floor(ahead.length / 2)]!;
  const size = Math.abs(skew);
  const text = size <= 1 ? 'as the relays have it' : `${duration(size)} ${skew > 0 ? 'ahead of' : 'behind'} the relays`;
  return finding('clock', size > SKEW_FAIL ? 'fail' : size > SKEW_WARN ? 'warn' : 'ok', text);
}

/**
 * Looks at everything that the aggregator needs, one finding after the other. Changes nothing. Relays that do not
 * answer are warnings as long as one does.
 */
export async function* examine(options: DoctorOptions): AsyncGenerator<Finding> {
  const { config, now } = options;
  yield checkNode(options.nodeVersion);
  yield* checkFiles(options);
  yield await checkStateDir(config.state_dir);
  yield await checkDatabase(config.state_dir);
  if (config.relays.length === 0) yield finding('relays', 'ok', 'none: messages are carried by hand');
  const relays = await Promise.all(config.relays.map(url => checkRelay(url, now)));
  const isHeard = relays.some(relay => relay.finding.level !== 'fail');
  for (const relay of relays)
    yield isHeard && relay.finding.level === 'fail' ? { ...relay.finding, level: 'warn' } : relay.finding;
  const { findings, mediantime } = await checkChain(options);
  yield* findings;
  const ahead = relays.map(relay => relay.ahead).filter(skew => skew !== null);
  yield checkClock(ahead, mediantime, now());
}
