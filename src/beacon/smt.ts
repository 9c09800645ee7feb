import { type Bytes, equalBytes, fromHex, isHex, toHex } from '../crypto/index.ts';
import {
  buildTree,
  crownDepth,
  crownOf,
  decodeProof,
  encodeProof,
  leafIndex,
  leafValue,
  packLeaves,
  portableHasher,
  proveUnderCrown,
  type SmtProof,
  type SmtTree,
  verifySmtProof,
} from '../smt/index.ts';
import { NoUpdateError, SignalEntryError } from './errors.ts';
import { ownMember } from './json.ts';
import { wrongAnnouncement } from './mismatch.ts';
import type {
  Aggregate,
  AggregateOptions,
  Evidence,
  EvidenceCheck,
  EvidenceProblem,
  Expectation,
  SignalEntry,
} from './types.ts';

/** The SMT beacon's half of `aggregate`: every registered index is a leaf, and the root is the signal bytes. */
export function aggregateSmt(entries: readonly SignalEntry[], options: AggregateOptions): Aggregate {
  // A finished leaf may hide an update, so one is enough.
  if (!entries.some(entry => entry.announcement !== undefined || entry.leaf !== undefined)) throw new NoUpdateError();
  const hasher = options.hasher ?? portableHasher;
  const tree = buildTree(entries.map(leafAt), { order: options.bitOrder, hasher });
  const depth = crownDepth(tree.size);
  const byIndex = new Map(entries.map(entry => [entry.index, entry]));
  const crown = depth === 0 ? null : crownOf(tree.data, depth, hasher);
  return smtAggregateOf(tree, crown, (_subject, index) => byIndex.get(toHex(index)));
}

/**
 * What `aggregate` gives, of a tree that is hashed already. `entryOf` tells the entry of a leaf, by its subject and its
 * 32-byte index; it is asked about leaves only, and undefined is a leaf that nothing is known of.
 */
export function smtAggregateOf(
  tree: SmtTree,
  crown: Bytes | null,
  entryOf: (subject: string, index: Bytes) => SignalEntry | undefined,
): Aggregate {
  const prove = (subject: string): SmtProof => {
    const index = isHex(subject, 32) ? fromHex(subject) : leafIndex(subject);
    const entry = tree.has(index) ? entryOf(subject, index) : undefined;
    return encodeProof({ root: tree.root, branch: tree.prove(index), ...partsOf(entry) });
  };
  return {
    type: 'SMTBeacon',
    signalBytes: tree.root.slice(),
    crown,
    // fromEntries, since a subject called __proto__ would vanish in an assignment.
    evidenceFor: subjects => ({ proofs: Object.fromEntries(subjects.map(subject => [subject, prove(subject)])) }),
  };
}

/** What a proof is made again from: the crown of the signal's tree, and all entries of the subject's own subtree. */
export interface UnderCrown extends AggregateOptions {
  crown: Bytes;
  /** 32 bytes: what the proof has to lead to. */
  signalBytes: Bytes;
  entries: readonly SignalEntry[];
  /** A DID or an index (hex). */
  subject: string;
}

/**
 * The evidence of one subject as `evidenceFor` of the whole tree gives it. Throws a SignalEntryError naming the subject
 * if crown and entries do not lead to the signal bytes: then they are not those of this signal.
 */
export function smtEvidenceUnderCrown({
  crown,
  signalBytes,
  entries,
  subject,
  bitOrder,
  hasher,
}: UnderCrown): Evidence {
  const index = isHex(subject, 32) ? fromHex(subject) : leafIndex(subject);
  const leaves = packLeaves(entries.map(leafAt));
  const { root, branch } = proveUnderCrown(crown, leaves, index, bitOrder, hasher ?? portableHasher);
  if (!equalBytes(root, signalBytes))
    throw new SignalEntryError(toHex(index), 'crown and leaves do not lead to the signal bytes');
  const own = entries.find(entry => entry.index === toHex(index));
  return { proofs: Object.fromEntries([[subject, encodeProof({ root, branch, ...partsOf(own) })]]) };
}

const leafAt = (entry: SignalEntry) => ({ index: fromHex(entry.index, 32), value: leafOf(entry) });

function leafOf(entry: SignalEntry): Bytes {
  const { nonce, announcement } = partsOf(entry);
  if (entry.leaf !== undefined) {
    if (nonce !== undefined || announcement !== undefined)
      throw new SignalEntryError(entry.index, 'a finished leaf excludes nonce and announcement');
    return fromHex(entry.leaf, 32);
  }
  if (nonce === undefined && announcement === undefined)
    throw new SignalEntryError(entry.index, 'a registered index without a nonce would be an empty one');
  return leafValue({ nonce, announcement });
}

const partsOf = (entry: SignalEntry | undefined): { nonce: Bytes | undefined; announcement: Bytes | undefined } => ({
  nonce: entry?.nonce === undefined ? undefined : fromHex(entry.nonce, 32),
  announcement: entry?.announcement === undefined ? undefined : fromHex(entry.announcement, 32),
});

/** The SMT beacon's half of `checkEvidence`: one verified proof of the submitted value for every DID. */
export const checkSmtEvidence = (input: EvidenceCheck): EvidenceProblem[] =>
  input.expected.flatMap(expectation => checkProof(input, expectation));

function checkProof(input: EvidenceCheck, { did, announcement, registered }: Expectation): EvidenceProblem[] {
  const problem = (code: EvidenceProblem['code'], text: string): EvidenceProblem => ({ code, subject: did, text });
  const index = leafIndex(did);
  const proofs = ownMember(input.evidence, 'proofs');
  const proof = ownMember(proofs, did) ?? ownMember(proofs, toHex(index));
  if (proof === undefined || proof === null) return [problem('proof_missing', 'no proof for this DID')];

  const decoded = decodeProof(proof);
  if (decoded === null) return [problem('proof_invalid', 'not an SMT Proof')];
  if (!equalBytes(decoded.id, input.signalBytes))
    return [problem('wrong_signal_bytes', 'the proof is of another root than the signal bytes')];
  if (!verifySmtProof(index, proof as SmtProof, input.bitOrder))
    return [problem('proof_invalid', 'the proof does not verify for this DID')];

  const problems: EvidenceProblem[] = [];
  const proven = decoded.updateId === undefined ? null : toHex(decoded.updateId);
  if (proven !== announcement) problems.push(problem('wrong_announcement', wrongAnnouncement(proven, announcement)));
  if (registered && decoded.nonce === undefined)
    problems.push(problem('nonce_missing', 'the leaf of a registered DID carries a nonce, this one has none'));
  return problems;
}
