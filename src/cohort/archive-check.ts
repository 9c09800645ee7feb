import { pairHasher } from '#hasher';
import { type Aggregate, aggregate, type SignalEntry } from '../beacon/index.ts';
import { parseTx, signalBytesOf, verifyFallback, verifySignal } from '../bitcoin/index.ts';
import { fromHex, hmacSha256, isHex, toHex } from '../crypto/index.ts';
import { announcementOf, makeSidecar, parseUpdate, type Sidecar } from '../did/index.ts';
import { leafIndex, type SmtProof } from '../smt/index.ts';
import type { ArchiveOf, ArchiveRecord } from './archive-format.ts';
import { beaconOf, treeKeysOf, wrongSetSigner } from './keys.ts';

/** A cohort as its archive has it. */
export interface Archive {
  cohort: ArchiveOf<'cohort'>;
  leaves: ArchiveOf<'leaf'>[];
  updates: ArchiveOf<'update'>[];
  signals: { signal: ArchiveOf<'signal'>; blinded: ArchiveOf<'blinded_leaf'>[] }[];
}

/** What an archive holds, and what is wrong with it; nothing, if it proves every signal. */
export interface ArchiveVerdict {
  cohort: string;
  advert_id: string;
  beacon_address: string;
  leaves: number;
  signals: number;
  updates: number;
  /** Updates that were announced and are known by their hash alone: their controllers have them. */
  unknown_updates: number;
  problems: string[];
}

/** Puts records together; says which one cannot be there. The last one is the reader's. */
export function readArchive(records: readonly ArchiveRecord[]): Archive | { problem: string } {
  const [first, ...rest] = records;
  if (first?.record !== 'cohort') return { problem: 'record 1 has to say which cohort it is' };
  const archive: Archive = { cohort: first, leaves: [], updates: [], signals: [] };
  for (const [i, record] of rest.entries()) {
    const at = `record ${i + 2}`;
    switch (record.record) {
      case 'leaf':
        archive.leaves.push(record);
        break;
      case 'update':
        archive.updates.push(record);
        break;
      case 'signal':
        archive.signals.push({ signal: record, blinded: [] });
        break;
      case 'blinded_leaf': {
        const last = archive.signals.at(-1);
        if (last?.signal.round !== record.round) return { problem: `${at}: a leaf that is of no signal before it` };
        last.blinded.push(record);
        break;
      }
      default:
        return { problem: `${at}: "${record.record}" does not belong there` };
    }
  }
  return archive;
}

/** Rebuilds every root from its leaves, and compares it with the signal bytes and the transactions. Offline, and believes nothing. */
export function judgeArchive(archive: Archive): ArchiveVerdict {
  const { cohort, leaves, updates, signals } = archive;
  const known = new Set(updates.filter(({ update }) => update !== null).map(({ announcement }) => announcement));
  const announced = signals.flatMap(({ signal }) => signal.announcements);
  return {
    cohort: cohort.cohort,
    advert_id: cohort.terms.id,
    beacon_address: cohort.beacon_address,
    leaves: leaves.length,
    signals: signals.length,
    updates: updates.length,
    unknown_updates: announced.filter(({ announcement }) => !known.has(announcement)).length,
    problems: [
      ...setProblems(cohort),
      ...leafProblems(archive),
      ...updateProblems(updates),
      ...signals.flatMap(each => signalProblems(archive, each)),
    ],
  };
}

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The problem that a check throws, or what it finds. */
function orThrown(what: string, check: () => string[]): string[] {
  try {
    return check();
  } catch (error) {
    return [`${what}: ${wordsOf(error)}`];
  }
}

function setProblems({ participant_pubkeys, signatures, beacon_address, ...cohort }: ArchiveOf<'cohort'>): string[] {
  return orThrown('cohort', () => {
    const { terms, identity, terms_hash } = cohort;
    const own = beaconOf(participant_pubkeys, terms.btc_network, terms.policy);
    const isOwn = own.beacon_address === beacon_address && own.script_hex === cohort.script_pubkey;
    if (!isOwn) return ['cohort: the address is not that of these keys'];
    const facts = {
      aggregator: identity,
      network: terms.btc_network,
      terms_hash,
      participant_pubkeys,
      beacon_address,
    };
    if (signatures.length !== participant_pubkeys.length || !signatures.every(sig => isHex(sig, 64)))
      return ['cohort: a signature a member is due'];
    const wrong = wrongSetSigner(facts, signatures);
    return wrong === null ? [] : [`cohort: ${wrong} did not sign this set`];
  });
}

function leafProblems({ cohort, leaves }: Archive): string[] {
  const isBlind = cohort.terms.privacy === 'blinded';
  const wrong = leaves.find(({ did, index }) => (isBlind ? did : toHex(leafIndex(did))) !== index);
  const twice = leaves.length - new Set(leaves.map(({ index }) => index)).size;
  return [
    ...(wrong ? [`leaf ${wrong.did}: its index is another`] : []),
    ...(twice > 0 ? [`leaves: ${twice} are there twice`] : []),
  ];
}

const updateProblems = (updates: readonly ArchiveOf<'update'>[]): string[] =>
  updates.flatMap(({ did, version, announcement, update }) => {
    const what = `update to version ${version} of ${did}`;
    return orThrown(what, () =>
      update === null || toHex(announcementOf(parseUpdate(update))) === announcement
        ? []
        : [`${what}: it does not hash to its announcement`],
    );
  });

type Signalled = Archive['signals'][number];

function signalProblems(archive: Archive, signalled: Signalled): string[] {
  const { signal } = signalled;
  const what = `signal of round ${signal.round}`;
  return orThrown(what, () => {
    const bytes = toHex(aggregateOf(archive, signalled).signalBytes);
    if (bytes !== signal.signal_bytes) return [`${what}: its leaves make ${bytes}, not ${signal.signal_bytes}`];
    const problems = signal.transactions.flatMap(hex => transactionProblems(archive.cohort, signal, hex));
    const isMissing = signal.txid !== null && !signal.transactions.some(hex => parseTx(hex).txid === signal.txid);
    return [...problems, ...(isMissing ? ['its transaction is missing'] : [])].map(text => `${what}: ${text}`);
  });
}

function transactionProblems(
  { script_pubkey, participant_pubkeys, terms }: ArchiveOf<'cohort'>,
  { outpoint, signal_bytes }: ArchiveOf<'signal'>,
  hex: string,
): string[] {
  const { txid, inputs } = parseTx(hex);
  const [input] = inputs;
  const carried = signalBytesOf(hex);
  if (input?.txid !== outpoint.txid || input.vout !== outpoint.vout) return [`${txid} spends another output`];
  if (carried === null || toHex(carried) !== signal_bytes) return [`${txid} carries other bytes`];
  const { value_sats } = outpoint;
  if (verifySignal(hex, script_pubkey, value_sats)) return [];
  const keys = treeKeysOf(participant_pubkeys, terms.policy);
  const isFallback = keys !== null && verifyFallback(hex, { scriptHex: script_pubkey, valueSats: value_sats }, keys);
  return isFallback ? [] : [`${txid} is not signed by all, nor by enough for a fallback`];
}

/** The tree or the map of an archived signal. */
function aggregateOf({ cohort, leaves }: Archive, { signal, blinded }: Signalled): Aggregate {
  const { terms } = cohort;
  return aggregate(terms.type, entriesOf(leaves, signal, blinded), { bitOrder: terms.bit_order, hasher: pairHasher });
}

function entriesOf(
  leaves: Archive['leaves'],
  { nonce_seed, leaf_count, announcements }: ArchiveOf<'signal'>,
  blinded: Signalled['blinded'],
): SignalEntry[] {
  if (nonce_seed === null) return blinded.map(({ index, leaf }) => ({ index, leaf }));
  const seed = fromHex(nonce_seed, 32);
  if (leaf_count > leaves.length) throw new Error(`${leaf_count} leaves are due, ${leaves.length} are there`);
  const held = leaves.slice(0, leaf_count);
  const by = new Map(announcements.map(({ did, announcement }) => [did, announcement]));
  if (by.size !== announcements.length) throw new Error('a DID is announced twice');
  for (const { did } of held) by.delete(did);
  if (by.size > 0) throw new Error(`${[...by.keys()][0]} is announced and no leaf`);
  const announced = new Map(announcements.map(({ did, announcement }) => [did, announcement]));
  return held.map(({ did, index }) => ({
    did,
    index,
    nonce: toHex(hmacSha256(seed, fromHex(index, 32))),
    ...(announced.has(did) ? { announcement: announced.get(did)! } : {}),
  }));
}

/**
 * What a resolver needs of an archive about one DID: its updates, and a proof or map for every signal, of its leaf or of its
 * empty index. In a blinded cohort the proofs are still to be made whole by the controller, who has the nonces.
 */
export function archivedSidecar(archive: Archive, did: string): Sidecar {
  const isBlind = archive.cohort.terms.privacy === 'blinded';
  const subject = isBlind && !isHex(did, 32) ? toHex(leafIndex(did)) : did;
  const smtProofs: SmtProof[] = [];
  const casUpdates: object[] = [];
  for (const signalled of archive.signals) {
    const evidence = aggregateOf(archive, signalled).evidenceFor([subject]);
    if ('map' in evidence) casUpdates.push(evidence.map);
    else smtProofs.push(...Object.values(evidence.proofs));
  }
  const updates = archive.updates.flatMap(known => (known.did === did && known.update ? [known.update] : []));
  return makeSidecar({ updates, casUpdates, smtProofs });
}
