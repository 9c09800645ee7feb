import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Chain } from '../../src/chain/index.ts';
import type { Bytes } from '../../src/crypto/index.ts';
import type { Log, OpenSocket } from '../../src/nostr/index.ts';
import { type KeyStore, openKeyFile } from '../../src/shell/keystore.ts';
import { type Batch, openStore, type Store, StoreFull } from '../../src/store/index.ts';
import type { SimChain } from './chain.ts';
import type { Clock, Owner } from './clock.ts';
import type { Act, Point, Side } from './points.ts';
import type { Luck } from './random.ts';
import type { SimRelays } from './relays.ts';
import { TEARS, type Tear, tearLog } from './wal.ts';

/** Thrown where a program ends, so that nothing after that point is done. */
export class Crashed extends Error {
  override readonly name = 'Crashed';
}

/** One run of a program, from its start to its end. */
export interface Program extends Owner {
  readonly side: Side;
  readonly generation: number;
  readonly bornAt: number;
  /** Its disk takes nothing more: it has to end by itself. */
  isFull: boolean;
}

/** What a program runs on: every part ends with it. */
export interface Ports {
  program: Program;
  store: Store;
  keys: KeyStore;
  chain: Chain;
  openSocket: OpenSocket;
  random: (length: number) => Bytes;
  now: () => number;
  log: Log;
}

/** Looks on, and decides where a program ends. */
export interface Watch {
  /** Whether the program ends at this point. */
  strikes(program: Program, point: Point): boolean;
  /** Whether programs may end while they do nothing. */
  readonly idles: boolean;
  onOpen(role: string, store: Store): void;
  /** `isKnown`: the commit returned. Else it may be on the disk, or not. */
  onCommit(role: string, batch: Batch, isKnown: boolean): void;
  onSend(program: Program, frame: string): void;
  onSubmit(program: Program, hex: string): void;
  onLog: (program: Program, ...entry: Parameters<Log>) => void;
}

/** A program that is started, killed and started again on the files that it left. */
export interface Role {
  readonly name: string;
  readonly side: Side;
  program(): Program | null;
  open(): Ports;
  /** Ends it at once, as a power failure would. */
  kill(tear?: Tear): void;
  /** Ends it in an orderly way: after `stop` has run. */
  close(): void;
  /** The store, for a look from outside. */
  peek(): Store | null;
  /** Those of the last program too, when none is up. */
  keys(): KeyStore | null;
}

export interface RoleParts {
  name: string;
  side: Side;
  dir: string;
  clock: Clock;
  luck: Luck;
  chain: SimChain;
  relays: SimRelays;
  watch: Watch;
  onKilled: () => void;
  /** Changes what is stored, as a member does that does not keep to the protocol. */
  tamper?: (batch: Batch, keys: KeyStore) => Batch;
}

const DATABASE = 'data.db';
const FILES = [DATABASE, `${DATABASE}-wal`, 'keys.json'];

export function createRole(parts: RoleParts): Role {
  const { name, side, clock, luck, watch } = parts;
  let generation = 0;
  let home = join(parts.dir, `${name}.0`);
  let current: { program: Program; store: Store; keys: KeyStore; cut: () => void } | null = null;
  const cleaner: Owner = { name: 'cleaner', alive: true };
  let lastKeys: KeyStore | null = null;
  mkdirSync(home, { recursive: true, mode: 0o700 });

  function kill(tear?: Tear): void {
    if (!current) return;
    const { program, store, cut } = current;
    current = null;
    program.alive = false;
    const left = home;
    home = join(parts.dir, `${name}.${program.generation + 1}`);
    mkdirSync(home, { mode: 0o700 });
    for (const file of FILES) if (existsSync(join(left, file))) copyFileSync(join(left, file), join(home, file));
    if (tear) tearLog(join(home, `${DATABASE}-wal`), tear);
    cut();
    // Later: the call that was cut off here still stands in the middle of it.
    clock.later(cleaner, 0, () => {
      store.close();
      rmSync(left, { recursive: true, force: true });
    });
    parts.onKilled();
  }

  function open(): Ports {
    const program: Program = { name, side, alive: true, generation, bornAt: clock.ms(), isFull: false };
    generation++;
    const inner = openStore(join(home, DATABASE), { application: side });
    watch.onOpen(name, inner);
    const source = luck.fork(`${name}/${program.generation}`);
    const random = (length: number): Bytes => source.bytes(length);
    const innerKeys = openKeyFile(join(home, 'keys.json'), random, clock.now);

    const check = (): void => {
      if (!program.alive) throw new Crashed();
    };
    const at = (point: Point): void => {
      check();
      if (!watch.strikes(program, point)) return;
      kill();
      throw new Crashed();
    };
    const act = <T>(what: Act, run: () => T): T => {
      at(`${what} before`);
      const result = run();
      at(`${what} after`);
      return result;
    };
    const alive = <A extends unknown[], R>(run: (...args: A) => R) => {
      return (...args: A): R => {
        check();
        return run(...args);
      };
    };

    const keys: KeyStore = {
      create: kind => act('key', () => innerKeys.create(kind)),
      has: alive(innerKeys.has),
      deleteCohortKey: key => act('key', () => innerKeys.deleteCohortKey(key)),
      lend: (key, use, cohortKeyUse) => {
        check();
        return innerKeys.lend(key, use, cohortKeyUse);
      },
    };

    function commit(wanted: Batch): void {
      const batch = parts.tamper ? parts.tamper(wanted, innerKeys) : wanted;
      at('commit before');
      program.isFull ||= watch.strikes(program, 'full');
      if (program.isFull) throw new StoreFull();
      const tear = TEARS.find(each => watch.strikes(program, `torn ${each}`));
      inner.commit(batch);
      watch.onCommit(name, batch, tear === undefined);
      if (tear) {
        kill(tear);
        throw new Crashed();
      }
      at('commit after');
    }

    const { outbox, cursors } = inner;
    const store: Store = {
      ...inner,
      commit,
      hasSeen: alive(inner.hasSeen),
      streams: alive(inner.streams),
      read: alive(inner.read),
      answersFor: alive(inner.answersFor),
      broadcasts: alive(inner.broadcasts),
      meta: alive(inner.meta),
      requeue: ids => act('requeue', () => inner.requeue(ids)),
      outbox: {
        due: alive(outbox.due),
        nextDue: alive(outbox.nextDue),
        letters: alive(outbox.letters),
        settle: (id, relay, outcome) => act('settle', () => outbox.settle(id, relay, outcome)),
      },
      cursors: {
        get: alive(cursors.get),
        set: (relay, recipient, createdAt) => act('cursor', () => cursors.set(relay, recipient, createdAt)),
      },
      prune: alive(inner.prune),
      close: () => {
        if (program.alive) inner.close();
      },
    };

    const chain = parts.chain.open((call, run) => {
      check();
      if (call === 'history') return act('look', run);
      return call === 'submit' ? act('submit', run) : run();
    });
    const watched: Chain = {
      ...chain,
      submit(hex) {
        if (program.alive) watch.onSubmit(program, hex);
        return chain.submit(hex);
      },
    };

    const { openSocket, cut } = parts.relays.socketsOf(program, (direction, _relay, frame, pass) => {
      if (!program.alive) return;
      if (direction === 'in') {
        if (frame.startsWith('["OK"')) act('ok', pass);
        else if (frame.startsWith('["EVENT"')) act('receive', pass);
        else pass();
      } else if (frame.startsWith('["EVENT"'))
        act('send', () => {
          watch.onSend(program, frame);
          pass();
        });
      else pass();
    });

    const idle = (): void => {
      clock.later(program, 200 + luck.next() * 3_000, () => {
        idle();
        at('idle');
      });
    };
    if (watch.idles) idle();

    lastKeys = innerKeys;
    current = { program, store: inner, keys: innerKeys, cut };
    const log: Log = (...entry) => {
      if (program.alive) watch.onLog(program, ...entry);
    };
    return { program, store, keys, chain: watched, openSocket, random, now: clock.now, log };
  }

  return {
    name,
    side,
    program: () => current?.program ?? null,
    open,
    kill,
    close() {
      if (!current) return;
      current.cut();
      current.program.alive = false;
      current.store.close();
      current = null;
    },
    peek: () => current?.store ?? null,
    keys: () => lastKeys,
  };
}
