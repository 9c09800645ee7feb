import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { curve } from '#curve';
import type { Config } from '../../src/config.ts';
import { toHex } from '../../src/crypto/index.ts';
import { assembleDaemon, type Daemon, type DaemonTiming } from '../../src/daemon.ts';
import type { AdvertTerms } from '../../src/operator/api.ts';
import type { KeyStore } from '../../src/shell/keystore.ts';
import type { Batch } from '../../src/store/index.ts';
import { createWallet, type Wallet, type WalletTiming } from '../../src/wallet/sdk.ts';
import { PLAIN_FORM } from '../terms.ts';
import { createChain, type SimChain } from './chain.ts';
import { type Clock, installClock, type Owner } from './clock.ts';
import { rememberVerifications } from './memo.ts';
import { createOracle, type Oracle } from './oracle.ts';
import { type Phase, type Point, phaseOf } from './points.ts';
import { createRole, type Ports, type Program, type Role } from './programs.ts';
import { type Luck, luckOf } from './random.ts';
import { createRelays, type SimRelays, type Weather } from './relays.ts';

export interface WorldOptions {
  seed: string;
  cohorts: number;
  members: number;
  /** Members that a cohort has in the end, with a DID each: all wallets if left out. */
  seats?: number;
  relays: number;
  weather: Weather;
  terms?: (cohort: number) => Partial<AdvertTerms>;
  /** Milliseconds. */
  pollMs: number;
  daemonTiming?: Partial<DaemonTiming>;
  walletTiming?: Partial<WalletTiming>;
  /** Seconds from the end of a program to its next start, at least and at most; by its name, if told so. */
  downtime: [number, number] | ((name: string) => [number, number]);
  /** Satoshis that each beacon address is given. */
  deposit: number;
  /** Seconds between blocks, on average. */
  blocks: number;
  /** How likely a block is to come with a reorganization, and how deep it is at most. */
  reorgs: { chance: number; depth: number };
  /** How many blocks leave all spends for later. */
  slowMiners?: number;
  /** Seconds between two looks of a user at its wallet, at least and at most. */
  pace?: [number, number];
  /** Whether a wallet keeps to the protocol, by its name: of another one nothing is expected. */
  isHonest?: (name: string) => boolean;
  /** Whether a program ends here. */
  strikes?: (program: Program, point: Point, phase: Phase, recovering: boolean) => boolean;
  /** What the operator does besides, each second that the daemon is up. */
  chores?: (api: Daemon['api'], world: World) => Promise<void>;
  /** What a user does before anything else; whether that was all for now. */
  errands?: (wallet: Wallet, member: WalletRole, world: World) => Promise<boolean>;
  tamper?: (wallet: WalletRole) => ((batch: Batch, keys: KeyStore) => Batch) | undefined;
}

export interface WalletRole {
  role: Role;
  /** Null while it is down. */
  wallet: Wallet | null;
  cohort: number;
  index: number;
  /** Updates that its user wants to have announced. */
  wanted: number;
  /** Something that its user asked for is under way. */
  busy: boolean;
  did: string | null;
  made: number;
}

export interface World {
  clock: Clock;
  luck: Luck;
  chain: SimChain;
  relays: SimRelays;
  oracle: Oracle;
  aggregator: Role;
  daemon(): Daemon | null;
  wallets: WalletRole[];
  /** Id of the cohort number so; null before its advert is out. */
  cohortId(cohort: number): string | null;
  phase(cohort: number): Phase;
  /** Ends a program and starts it again after a while. */
  strike(role: Role): void;
  /** The last things that happened, for a violation's sake. */
  trace: string[];
  note(text: string): void;
  kills(): { total: number; recovering: number };
  /** From now on a block comes with a reorganization so often. */
  setReorgs(chance: number): void;
  reorgs(): number;
  /** Unix seconds. */
  startedAt: number;
  close(): void;
}

/** Seconds after a new start in which a program counts as recovering. */
const RECOVERY = 3;
/** Milliseconds in which a program with a full disk has to end. */
const PATIENCE_MS = 60_000;
/** Milliseconds in which a person thinks better of an update. */
const REGRET_MS = 6_000;
const START_MS = Date.UTC(2026, 10, 1);
const TRACE = 2_000;

const standardTerms: AdvertTerms = {
  ...PLAIN_FORM,
  cohort_size: { min: 2, max: 1_000 },
  frequency: { interval: 3_600, min_interval: 0, pending_updates: 1 },
  latency: { cohort_set: 20, presence: 5, nonce: 10, signature: 10 },
  dids: { min: 0, max: 20 },
  funder: 'operator',
  fee_cap: 2_000,
  communication: ['nip44_v2'],
};

/** Where files cost least: memory, where the system has some to show as a folder. */
function scratch(): string {
  try {
    return mkdtempSync('/dev/shm/btcr2-sim-');
  } catch {
    return mkdtempSync(join(tmpdir(), 'btcr2-sim-'));
  }
}

/**
 * A world in one process: the real daemon and real wallets, with their real stores on disk, in simulated time, over
 * simulated wires and a simulated chain. Everything that happens follows from the seed.
 */
export function createWorld(options: WorldOptions): World {
  const luck = luckOf(options.seed);
  const forget = rememberVerifications();
  const dir = scratch();
  const trace: string[] = [];
  const clock = installClock({
    startMs: START_MS,
    random: luck.fork('Math.random').next,
    onThrow: (owner, error) =>
      oracle.violate(`${owner.name} threw out of a timer: ${error instanceof Error ? error.stack : String(error)}`),
  });
  const people: Owner = { name: 'people', alive: true };
  const note = (text: string): void => {
    trace.push(`${new Date(clock.ms()).toISOString().slice(11, 23)} ${text}`);
    if (trace.length > TRACE) trace.shift();
  };
  const chain = createChain('regtest', clock.now);
  const urls = Array.from({ length: options.relays }, (_, i) => `ws://relay${i}.example`);
  const relays = createRelays({ clock, luck: luck.fork('wires'), urls, weather: options.weather });
  const identitySecret = luck.fork('identity').bytes(32);
  const identity = {
    key: toHex(curve.publicKey(identitySecret).subarray(1)),
    lend: <T>(use: (secret: Uint8Array) => T): T => use(identitySecret.slice()),
  };
  const AGGREGATOR = 'aggregator';
  const oracle = createOracle({
    aggregator: AGGREGATOR,
    isHonest: options.isHonest ?? (() => true),
    now: clock.now,
    lend(transport, use) {
      const holder = [aggregator, ...wallets.map(({ role }) => role)].find(role => role.keys()?.has(transport));
      if (!holder) return use(luck.fork('nobody').bytes(32));
      return holder.keys()!.lend(transport, use);
    },
  });

  let daemon: Daemon | null = null;
  const kills = { total: 0, recovering: 0 };
  const adverts = new Map<number, string>();
  const wallets: WalletRole[] = [];
  const cohortOfRole = (name: string): number => wallets.find(({ role }) => role.name === name)?.cohort ?? 0;

  function phase(cohort: number): Phase {
    const id = adverts.get(cohort);
    return phaseOf(id === undefined ? undefined : oracle.cohort(id), options.seats ?? options.members);
  }

  const watch = {
    strikes(program: Program, point: Point): boolean {
      if (!options.strikes) return false;
      const recovering = program.generation > 0 && clock.ms() < program.bornAt + RECOVERY * 1_000;
      const now = phase(cohortOfRole(program.name));
      if (!options.strikes(program, point, now, recovering)) return false;
      kills.total++;
      if (recovering) kills.recovering++;
      if (point === 'full') clock.later(program, PATIENCE_MS, () => mustHaveEnded(program));
      note(`${program.name}.${program.generation} ENDS at "${point}" in ${now}${recovering ? ', recovering' : ''}`);
      return true;
    },
    onOpen: oracle.onOpen,
    onCommit(role: string, batch: Batch, isKnown: boolean) {
      for (const { type } of batch.events ?? []) note(`${role} stores ${type}`);
      oracle.onCommit(role, batch, isKnown);
    },
    idles: options.strikes !== undefined,
    onSend: oracle.onSend,
    onSubmit: oracle.onSubmit,
    onLog(program: Program, level: string, message: string, data?: object) {
      if (level === 'debug') return;
      note(`${program.name} ${level}: ${message} ${JSON.stringify(data ?? {})}`);
      if (level === 'error' && !program.isFull)
        oracle.violate(`${program.name} logged an error: ${message} ${JSON.stringify(data ?? {})}`);
    },
  };

  const roleOf = (name: string): Role => wallets.find(({ role }) => role.name === name)?.role ?? aggregator;

  /** Who cannot store any more has to say so and end: whatever it did from here on would be forgotten. */
  function mustHaveEnded(program: Program): void {
    oracle.violate(`${program.name} goes on although its disk is full`);
    roleOf(program.name).kill();
  }

  function onGivenUp(program: Program, error: unknown): void {
    if (!program.alive) return;
    if (!program.isFull) oracle.violate(`${program.name} gave up: ${String(error)}`);
    roleOf(program.name).kill();
  }

  /** Whoever was ended is started again. */
  function later(role: Role, start: (ports: Ports) => void): void {
    const { downtime } = options;
    const [least, most] = typeof downtime === 'function' ? downtime(role.name) : downtime;
    startIn((least + luck.next() * (most - least)) * 1_000, role, start);
  }

  /** What a start sets going belongs to the program that is started. */
  function startIn(ms: number, role: Role, start: (ports: Ports) => void): void {
    clock.later(people, ms, () => {
      const ports = role.open();
      clock.later(ports.program, 0, () => {
        try {
          start(ports);
        } catch (error) {
          if (!ports.program.alive) return;
          // A start that fails ends the process, and is tried again by whoever watches over it.
          onGivenUp(ports.program, error);
        }
      });
    });
  }

  const parts = { dir, clock, chain, relays, watch };
  const aggregator = createRole({
    ...parts,
    name: AGGREGATOR,
    side: 'aggregator',
    luck: luck.fork(AGGREGATOR),
    onKilled() {
      daemon = null;
      later(aggregator, startDaemon);
    },
  });

  const config: Config = {
    network: 'regtest',
    mainnet: false,
    state_dir: dir,
    identity: { key_file: '' },
    relays: urls,
    relays_file: '',
    chain: { backend: 'bitcoind', url: '', auth: { cookieFile: '' }, wallet: '', poll_ms: options.pollMs },
    advert: { ...standardTerms, expires_in: 86_400 },
    admission: { invites: [], allowlist: [] },
    profile: { name: 'simulated', about: 'an aggregator in a simulated world' },
    log: { level: 'debug', format: 'text' },
  };

  function startDaemon({ program, ...ports }: Ports): void {
    daemon = assembleDaemon(config, {
      identity,
      ...ports,
      fetchLimits: null,
      ...(options.daemonTiming ? { timing: options.daemonTiming } : {}),
    });
    daemon.failed.catch(error => onGivenUp(program, error));
  }

  function startWallet(member: WalletRole, { program, ...ports }: Ports): void {
    const wallet = createWallet({
      network: 'regtest',
      relays: urls,
      ...ports,
      fetchLimits: null,
      pollMs: options.pollMs,
      ...(options.walletTiming ? { timing: options.walletTiming } : {}),
    });
    wallet.failed.catch(error => onGivenUp(program, error));
    member.wallet = wallet;
    member.busy = false;
    wallet.start();
  }

  /** Runs something as a program that is up, so that what it starts ends with it. */
  function as(role: Role, run: () => void): void {
    const program = role.program();
    if (program) clock.later(program, 0, run);
  }

  mkdirSync(dir, { recursive: true });
  for (let cohort = 0; cohort < options.cohorts; cohort++)
    for (let index = 0; index < options.members; index++) {
      const name = `w${cohort}-${index}`;
      const member: WalletRole = {
        role: createRole({
          ...parts,
          name,
          side: 'wallet',
          luck: luck.fork(name),
          onKilled() {
            member.wallet = null;
            member.busy = false;
            later(member.role, ports => startWallet(member, ports));
          },
          tamper: (batch, keys) => options.tamper?.(member)?.(batch, keys) ?? batch,
        }),
        wallet: null,
        cohort,
        index,
        wanted: 0,
        busy: false,
        did: null,
        made: 0,
      };
      wallets.push(member);
    }

  const miner = { chance: options.reorgs.chance, reorgs: 0 };
  const world: World = {
    clock,
    luck,
    chain,
    relays,
    oracle,
    aggregator,
    daemon: () => daemon,
    wallets,
    cohortId: cohort => adverts.get(cohort) ?? null,
    phase,
    strike: role => role.kill(),
    trace,
    note,
    kills: () => ({ ...kills }),
    setReorgs(chance) {
      miner.chance = chance;
    },
    reorgs: () => miner.reorgs,
    startedAt: START_MS / 1_000,
    close() {
      for (const role of [aggregator, ...wallets.map(member => member.role)]) role.close();
      clock.uninstall();
      forget();
      rmSync(dir, { recursive: true, force: true });
    },
  };

  /** The operator makes the adverts that are still missing; a command that was cut off is given again. */
  function operate(): void {
    clock.later(people, 1_000, operate);
    const api = daemon?.api;
    if (!api) return;
    as(aggregator, () => {
      void api
        .advertList()
        .then(async list => {
          for (let i = 0; i < options.cohorts; i++) {
            const found = list.find(({ advert_id }) => advert_id === `c${i}`);
            if (found) adverts.set(i, found.cohort);
            else {
              const size = { min: options.members, max: options.members };
              await api.advertCreate({ ...standardTerms, id: `c${i}`, cohort_size: size, ...options.terms?.(i) });
            }
          }
          await options.chores?.(api, world);
        })
        .catch(error => note(`the operator was not answered: ${String(error)}`));
    });
    for (const [i, id] of adverts) {
      const state = oracle.cohort(id);
      if (state?.phase.name !== 'formed' || funded.has(i)) continue;
      funded.add(i);
      chain.deposit(state.phase.beacon.address, options.deposit);
    }
  }
  const funded = new Set<number>();

  for (const member of wallets) startUser(world, member, options, as, people);
  startMiner(world, options, miner, people);
  startIn(0, aggregator, startDaemon);
  for (const member of wallets) startIn(0, member.role, ports => startWallet(member, ports));
  clock.later(people, 10, operate);
  return world;
}

/** Blocks at random times; now and then some of them turn out not to have been the longest chain's. */
function startMiner(
  { clock, luck, chain, note }: World,
  { blocks, reorgs, slowMiners = 0 }: WorldOptions,
  state: { chance: number; reorgs: number },
  people: Owner,
): void {
  const own = luck.fork('miner');
  function next(): void {
    clock.later(people, -Math.log(1 - own.next()) * blocks * 1_000, () => {
      next();
      chain.feeRate = own.chance(0.1) ? null : 1 + own.below(8);
      if (own.chance(state.chance)) {
        state.reorgs++;
        const depth = 1 + own.below(own.chance(0.8) ? Math.min(3, reorgs.depth) : reorgs.depth);
        const rivals = own.chance(0.5);
        note(`a reorganization ${depth} deep${rivals ? ', with rivals' : ''}`);
        chain.reorg(depth, { rivals });
      } else if (own.chance(slowMiners)) chain.mineEmpty();
      else chain.mine();
    });
  }
  next();
}

/** A person who wants updates announced, looks at what the wallet shows, and asks again when a command was cut off. */
function startUser(
  world: World,
  member: WalletRole,
  { pace: [least, most] = [0.5, 2], errands }: WorldOptions,
  as: (role: Role, run: () => void) => void,
  people: Owner,
): void {
  const { clock, luck, cohortId, note } = world;
  const own = luck.fork(`user of ${member.role.name}`);
  const pace = (): number => 1_000 * (least + own.next() * (most - least));

  let asked = 0;

  async function next(wallet: Wallet): Promise<void> {
    const cohort = cohortId(member.cohort);
    if (cohort === null || (await errands?.(wallet, member, world))) return;
    const { cohorts, dids } = wallet.status();
    const seat = cohorts.find(each => each.cohort === cohort);
    if (!seat || seat.phase.startsWith('ended')) {
      const adverts = await wallet.discover({ all: true });
      const found = adverts.find(({ advert }) => advert.cohort === cohort);
      // Whoever is asked to agree to a fallback does: what that means is for people to judge.
      if (found)
        await wallet.join({ advert: found.advert, allowFallback: found.advert.terms.policy.type === 'fallback' });
      return;
    }
    if (seat.phase !== 'ready') return;
    if (dids.length === 0) {
      await wallet.createDid({ kind: 'x', cohort });
      return;
    }
    const { did, beacons, updates } = dids[0]!;
    member.did = did;
    const beacon = beacons.find(each => each.cohort === cohort);
    if (beacon?.state === 'drafted' || beacon?.state === 'refused') {
      await wallet.register({ did, cohort });
      return;
    }
    if (beacon?.state === 'asked') return;
    const done = updates.filter(({ state }) => state === 'final').length;
    const underway = updates.filter(({ state }) => !['final', 'replaced', 'refused'].includes(state));
    if (done + underway.length >= member.wanted) {
      // Now and then the person thinks better of it, at once: later it would hide an update that was lost.
      const isFresh = underway.at(-1)?.state === 'acked' && clock.ms() < asked + REGRET_MS;
      if (!isFresh || !own.chance(0.2)) return;
    }
    asked = clock.ms();
    const service = {
      id: `#s${member.made++}`,
      type: 'LinkedDomains',
      serviceEndpoint: `https://${own.next()}.example`,
    };
    await wallet.update({ did, patch: [{ op: 'add', path: '/service/-', value: service }], cohorts: [cohort] });
  }

  function act(): void {
    clock.later(people, pace(), act);
    const { wallet } = member;
    if (!wallet || member.busy) return;
    member.busy = true;
    as(member.role, () => {
      void next(wallet)
        .catch(error => note(`${member.role.name}'s user was told: ${String(error)}`))
        .finally(() => {
          if (member.wallet === wallet) member.busy = false;
        });
    });
  }
  clock.later(people, pace(), act);
}
