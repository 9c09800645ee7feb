import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { curve } from '#curve';
import { toHex } from '../../../src/crypto/index.ts';
import { jcs } from '../../../src/did/index.ts';
import { readTerms } from '../../../src/messages/index.ts';
import { type Advert, didOfIdentity, readAdvert, signAdvert } from '../../../src/nostr/advert.ts';
import type { NostrEvent } from '../../../src/nostr/event.ts';
import type { AdvertTerms } from '../../../src/operator/api.ts';
import { nprofile } from '../../../src/shell/adverts.ts';
import type { CohortView, DidView, WalletStatus } from '../../../src/wallet/api.ts';
import { runCli } from '../../../src/wallet/cli/index.ts';
import type { Io } from '../../../src/wallet/cli/io.ts';
import type { News } from '../../../src/wallet/cli/news.ts';
import type { OpenWallet } from '../../../src/wallet/cli/open.ts';
import type { Wallet } from '../../../src/wallet/client.ts';

/** The hour at which these tests play. */
export const NOW = 1_800_000_000;

/** A folder of its own for one test, removed afterwards. Short, since a socket's path has to be. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'bw-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Answered {
  code: number;
  out: string;
  err: string;
}

interface Setting {
  cwd?: string;
  env?: Record<string, string>;
  /** Answers of the person at the terminal, in order; nobody sits there if left out. */
  answers?: string[];
  wallet?: Wallet | OpenWallet;
  signal?: AbortSignal;
  /** Hears every text as it is written. */
  onOut?: (text: string) => void;
}

const noWallet: OpenWallet = () => Promise.reject(new Error('this command must not open the wallet'));

/** Runs one command line in this process. */
export async function cli(argv: readonly string[], setting: Setting = {}): Promise<Answered> {
  const written = { out: '', err: '' };
  const answers = [...(setting.answers ?? [])];
  const { wallet } = setting;
  const io: Io = {
    out: {
      write(text) {
        written.out += text;
        setting.onOut?.(text);
      },
    },
    err: {
      write(text) {
        written.err += text;
      },
    },
    ask:
      setting.answers === undefined
        ? null
        : async question => {
            written.err += question;
            return answers.shift() ?? '';
          },
    env: setting.env ?? {},
    cwd: setting.cwd ?? tmpdir(),
    now: () => NOW,
    signal: setting.signal ?? new AbortController().signal,
  };
  const open: OpenWallet = typeof wallet === 'function' ? wallet : wallet ? async () => wallet : noWallet;
  return { code: await runCli(argv, io, open), ...written };
}

/** A fresh wallet folder whose chain nobody answers for. */
export async function tempHome(): Promise<string> {
  const home = join(tempFolder(), 'w');
  await cli(['init', '--network', 'regtest', '--home', home, '--relay', 'ws://127.0.0.1:9', ...NO_CHAIN]);
  return home;
}

/** A port that refuses at once. */
export const NO_CHAIN = ['--esplora', 'http://127.0.0.1:9'];

const secret = new Uint8Array(32).fill(7);
const identity = toHex(curve.publicKey(secret)).slice(2);

const TERMS: AdvertTerms = {
  type: 'SMTBeacon',
  cohort_size: { min: 2, max: 5 },
  frequency: { interval: 86_400, min_interval: 3_600, pending_updates: 4 },
  latency: { cohort_set: 7_200, presence: 600, nonce: 1_800, signature: 1_800 },
  dids: { min: 1, max: 20 },
  financials: { enrolment: 1_500, per_announcement: 0, text: 'pay what you like' },
  funder: 'members',
  fee_cap: 12_345,
  flow: 'push',
  privacy: 'none',
  bit_order: 'spec',
  signal_output: 'last',
  policy: { type: 'keypath' },
  admission: 'open',
  unproven_dids: false,
  communication: ['nip44_v2'],
};

/** A signed advert event, one hour before its offer ends. */
export function advertEvent(id: string, over: Partial<AdvertTerms> = {}): NostrEvent {
  const relays = ['ws://127.0.0.1:9'];
  const content = jcs({
    v: 1,
    id,
    btc_network: 'regtest',
    ...TERMS,
    ...over,
    transport_key: identity,
    return_address: nprofile(identity, relays),
    aggregator_did: didOfIdentity(identity, 'regtest'),
  });
  const read = readTerms(content);
  if (!read.ok) throw new Error(`${read.field}: ${read.text}`);
  const times = { createdAt: NOW, expiresAt: NOW + 3_600, expiration: NOW + 86_400 };
  const parts = { content, terms: read.terms, status: 'open' as const, relays, cohort: null, ...times };
  return signAdvert(parts, secret, new Uint8Array(32));
}

export function advertOf(event: NostrEvent): Advert {
  const read = readAdvert(event);
  if (!read.ok) throw new Error(read.reason);
  return read.advert;
}

export const DID_ONE = 'did:btcr2:x1qfcyrdm7q7fwjp2yhhvf8ppwl6emct7ytd0uck6p0lsawg4d28rj60lzgru';
export const DID_TWO = 'did:btcr2:x1qtuxnjhxy4m6g3y8pw0025hkff4rj82y0ek0yaxkes6jfhlemplczd4yznm';

export const cohortView = (advert: Advert, over: Partial<CohortView> = {}): CohortView => ({
  cohort: advert.cohort,
  advert_id: advert.terms.id,
  aggregator: advert.terms.aggregator_did,
  phase: 'ready',
  beacon_address: 'bcrt1pbeacon',
  members: 2,
  participant_pk: `02${'1'.repeat(64)}`,
  transport: 'here',
  terms: advert.terms,
  signals: [],
  open_sessions: [],
  last_abort: null,
  ...over,
});

export const didView = (did: string, name: string | null, over: Partial<DidView> = {}): DidView => ({
  did,
  name,
  beacons: [],
  updates: [],
  ...over,
});

export const statusOf = (over: Partial<WalletStatus> = {}): WalletStatus => ({
  network: 'regtest',
  doubt: null,
  relays: [{ url: 'ws://127.0.0.1:9', connected: true }],
  chain: { kind: 'esplora', height: 1_234 },
  seeded: false,
  saved: null,
  companion: null,
  cohorts: [],
  dids: [],
  ...over,
});

export interface FakeWallet extends Wallet {
  /** Method names and arguments, in order. */
  calls: [string, ...unknown[]][];
  tell(news: News): void;
}

/** A wallet that answers as it is told and remembers what it was asked; what it was not told, it refuses. */
export function fakeWallet(answers: Partial<Wallet> = {}): FakeWallet {
  const calls: FakeWallet['calls'] = [];
  const listeners = new Set<(news: News) => void>();
  const unasked = (method: string) => (): never => {
    throw new Error(`${method} was not expected`);
  };
  const noted = <A extends unknown[], R>(method: string, run: ((...given: A) => R) | undefined) =>
    run === undefined
      ? unasked(method)
      : (...given: A): R => {
          calls.push([method, ...given]);
          return run(...given);
        };
  return {
    calls,
    tell: news => {
      for (const listener of listeners) listener(news);
    },
    discover: noted('discover', answers.discover),
    join: noted('join', answers.join),
    ready: noted('ready', answers.ready),
    leave: noted('leave', answers.leave),
    rebind: noted('rebind', answers.rebind),
    succession: noted('succession', answers.succession),
    exit: noted('exit', answers.exit),
    refunds: noted('refunds', answers.refunds),
    release: noted('release', answers.release),
    createDid: noted('createDid', answers.createDid),
    register: noted('register', answers.register),
    update: noted('update', answers.update),
    announce: noted('announce', answers.announce),
    fundingAddress: noted('fundingAddress', answers.fundingAddress),
    publish: noted('publish', answers.publish),
    recovery: noted('recovery', answers.recovery),
    restore: noted('restore', answers.restore),
    sidecar: noted('sidecar', answers.sidecar),
    resolve: noted('resolve', answers.resolve),
    savedState: noted('savedState', answers.savedState),
    saveState: noted('saveState', answers.saveState),
    forgetState: noted('forgetState', answers.forgetState),
    companionOpen: noted('companionOpen', answers.companionOpen),
    companionPair: noted('companionPair', answers.companionPair),
    companionPolicy: noted('companionPolicy', answers.companionPolicy),
    companionJoin: noted('companionJoin', answers.companionJoin),
    companionWithdraw: noted('companionWithdraw', answers.companionWithdraw),
    companionRevoke: noted('companionRevoke', answers.companionRevoke),
    companionLost: noted('companionLost', answers.companionLost),
    trustCopy: noted('trustCopy', answers.trustCopy),
    compose: noted('compose', answers.compose),
    composed: noted('composed', answers.composed),
    deliver: noted('deliver', answers.deliver),
    status: answers.status ?? (() => statusOf()),
    start: () => void calls.push(['start']),
    stop: async () => void calls.push(['stop']),
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    failed: answers.failed ?? new Promise<never>(() => {}),
  };
}
