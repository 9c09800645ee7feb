import type { Manifest, Writing } from './manifest.ts';

/** What one relay shows of a saved state. */
export interface Shown {
  relay: string;
  /** False for one that was not reached, or did not say that this is all. */
  answered: boolean;
  manifest: Manifest | null;
  /** Own events there that do not open, or say nothing that this version reads. */
  unreadable: number;
  /** Texts of chunks by their sha256 (hex), computed, not believed. */
  texts: ReadonlyMap<string, string>;
}

/** What is to be told of one relay. */
export interface Finding {
  relay: string;
  /**
   * `newest`: all of what was chosen; `incomplete`: its list, and not every piece; `older`: an earlier state; `newer`: a
   * later one, of which no relay shows every piece; `other`: one by a writer that was not gone on from; `unreadable`,
   * `nothing`, and `silent` for one that did not answer.
   */
  holds: 'newest' | 'incomplete' | 'older' | 'newer' | 'other' | 'unreadable' | 'nothing' | 'silent';
  counter: number | null;
  /** Pieces that are missing there. */
  missing: number;
}

/** For people. */
export const HOLDS: Readonly<Record<Finding['holds'], string>> = {
  newest: 'holds all of it',
  incomplete: 'holds it with pieces missing',
  older: 'shows an older one',
  newer: 'shows a newer one, of which no relay holds every piece',
  other: 'shows one by another wallet of these words',
  unreadable: 'shows something that cannot be read',
  nothing: 'holds nothing',
  silent: 'does not answer',
};

export interface Chosen {
  manifest: Manifest;
  texts: string[];
}

/**
 * The highest state of which the relays together hold every piece, and what each of them shows instead: one may lie, lag or
 * lose without harm as long as another does not. Null where there is none. What no relay shows cannot be known of: a state
 * that is put back is never proven to be the newest.
 */
export function choose(shown: readonly Shown[]): { chosen: Chosen | null; findings: Finding[] } {
  const texts = new Map(shown.flatMap(relay => [...relay.texts]));
  const manifests = shown.flatMap(({ manifest }) => (manifest ? [manifest] : [])).sort(newestFirst);
  const whole = manifests.find(({ chunks }) => chunks.every(({ sha256 }) => texts.has(sha256)));
  return {
    chosen: whole ? { manifest: whole, texts: whole.chunks.map(({ sha256 }) => texts.get(sha256)!) } : null,
    findings: shown.map(relay => findingOf(relay, whole ?? null)),
  };
}

/** In one second of two writers the later made counts; both are told. */
const newestFirst = (a: Manifest, b: Manifest): number => b.counter - a.counter || b.made_at - a.made_at;

const isSame = (a: Writing, b: Writing): boolean => a.writer === b.writer && a.counter === b.counter;

function findingOf({ relay, answered, manifest, unreadable, texts }: Shown, chosen: Manifest | null): Finding {
  const missing = manifest?.chunks.filter(({ sha256 }) => !texts.has(sha256)).length ?? 0;
  const finding = (holds: Finding['holds']): Finding => ({ relay, holds, counter: manifest?.counter ?? null, missing });
  if (!manifest) return finding(unreadable > 0 ? 'unreadable' : answered ? 'nothing' : 'silent');
  if (!chosen) return finding('incomplete');
  if (isSame(manifest, chosen)) return finding(missing === 0 ? 'newest' : 'incomplete');
  if (manifest.writer !== chosen.writer && !isBefore(manifest, chosen)) return finding('other');
  return finding(manifest.counter > chosen.counter ? 'newer' : 'older');
}

/** Whether the later state went on from that of the other writer, or from a still later one. */
const isBefore = (other: Writing, { follows }: Manifest): boolean =>
  follows !== null && other.counter <= follows.counter;
