import { AlreadyAnswered, AlreadySeen, type Batch, isStoreFault, type Store } from '../store/index.ts';

/** One step of one cohort: what it stores, and what may happen once that is on the disk. */
interface Entry {
  cohort: string;
  batch: Batch;
  after: () => void;
}

/** Steps that are decided and wait for one durable commit together: a disk takes a hundred of them as fast as one. */
export interface Journal {
  /**
   * Takes the batch of one step; `after` runs when it is stored. Throws, and takes nothing, as Store.commit does for an
   * id that was seen or a message that was answered; and whatever made an earlier commit fail.
   */
  add(cohort: string, batch: Batch, after: () => void): void;
  /** Whether a message with this event id waits to be stored. */
  holdsSeen(id: string): boolean;
  /** Whether the answer to a message waits to be stored. */
  holdsAnswer(key: string): boolean;
  /** Stores all that waits and does what follows. Throws the store's fault, at every later call too. */
  flush(): void;
}

/** So much may wait at most: steps, and events to be sent. */
const MAX_STEPS = 128;
const MAX_SENDS = 512;

function merged(entries: readonly Entry[]): Batch {
  const all = <T>(pick: (batch: Batch) => T[] | undefined): T[] => entries.flatMap(({ batch }) => pick(batch) ?? []);
  return {
    seen: all(batch => batch.seen),
    events: all(batch => batch.events),
    outbox: all(batch => batch.outbox),
    answers: all(batch => batch.answers),
    broadcasts: all(batch => batch.broadcasts),
    settleBroadcasts: all(batch => batch.settleBroadcasts),
    meta: all(batch => batch.meta),
    evidence: all(batch => batch.evidence),
  };
}

/**
 * Commits several steps as one. In memory the cohorts are ahead of the disk meanwhile, so nothing of a step is shown to
 * anybody before `flush`; after a fault of the store nothing is taken any more, since what follows would rest on what is
 * lost. A batch that cannot be stored for what is in it stops its own cohort only: `onFailed` is told.
 */
export function createJournal(store: Store, onFailed: (cohort: string, error: unknown) => void): Journal {
  let waiting: Entry[] = [];
  let sends = 0;
  const seen = new Set<string>();
  const answered = new Set<string>();
  let fault: { error: unknown } | null = null;

  function commit(batch: Batch): void {
    try {
      store.commit(batch);
    } catch (error) {
      if (isStoreFault(error)) fault = { error };
      throw error;
    }
  }

  /** Something in one of them cannot be stored: the others can, and what follows the bad one rests on it. */
  function oneByOne(entries: readonly Entry[]): Entry[] {
    const failed = new Set<string>();
    return entries.filter(({ cohort, batch }) => {
      if (failed.has(cohort)) return false;
      try {
        commit(batch);
        return true;
      } catch (error) {
        if (isStoreFault(error)) throw error;
        failed.add(cohort);
        onFailed(cohort, error);
        return false;
      }
    });
  }

  function flush(): void {
    if (fault) throw fault.error;
    if (waiting.length === 0) return;
    const entries = waiting;
    waiting = [];
    sends = 0;
    seen.clear();
    answered.clear();
    let stored: readonly Entry[] = entries;
    try {
      commit(merged(entries));
    } catch (error) {
      if (isStoreFault(error)) throw error;
      stored = oneByOne(entries);
    }
    for (const { after } of stored) after();
  }

  return {
    add(cohort, batch, after) {
      if (fault) throw fault.error;
      for (const { id } of batch.seen ?? []) if (seen.has(id) || store.hasSeen(id)) throw new AlreadySeen(id);
      for (const { key } of batch.answers ?? [])
        if (answered.has(key) || store.answersFor(key) !== null) throw new AlreadyAnswered(key);
      // What is sent and what is settled are different lists of a batch: their order is that of the commits.
      const isOrdered = (batch.broadcasts?.length ?? 0) + (batch.settleBroadcasts?.length ?? 0) > 0;
      if (isOrdered) flush();
      waiting.push({ cohort, batch, after });
      sends += batch.outbox?.length ?? 0;
      for (const { id } of batch.seen ?? []) seen.add(id);
      for (const { key } of batch.answers ?? []) answered.add(key);
      if (isOrdered || waiting.length >= MAX_STEPS || sends >= MAX_SENDS) flush();
    },
    holdsSeen: id => seen.has(id),
    holdsAnswer: key => answered.has(key),
    flush,
  };
}
