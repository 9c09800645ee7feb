import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { archiveRecords } from '../cohort/archive.ts';
import {
  type Archive,
  type ArchiveVerdict,
  archivedSidecar,
  judgeArchive,
  readArchive,
} from '../cohort/archive-check.ts';
import { type ArchiveRecord, archiveRecord } from '../cohort/archive-format.ts';
import type { CohortState } from '../cohort/index.ts';
import type { Sidecar } from '../did/index.ts';
import { readAdvert } from '../nostr/advert.ts';
import { parseJson } from '../nostr/json.ts';
import { OperatorError } from './api.ts';

const SUFFIX = '.jsonl';
const MAX_LINE = 64 * 1_048_576;
const BUFFER = 1_048_576;

const README = `The archive of did:btcr2 beacons, one file a cohort, made by \`btcr2-aggregator export\`.

Each line is a JSON object; "record" says what it is, bytes are lowercase hex, times Unix seconds.
cohort        who the members were, the terms, the beacon address, every member's signature over the set
leaf          a DID (in a blinded cohort an index), in the order in which they became leaves
update        a signed update that was sent here, or its hash alone
signal        what was announced, or may still be by an open session, with its transactions
blinded_leaf  a finished leaf of the blinded tree of the signal before it
end           how many records came before it, and the sha256 of their lines, line feeds included

The tree of a signal holds the first "leaf_count" leaves; the nonce of each is HMAC-SHA256("nonce_seed", index), both as
bytes, and its value follows the chapter on sparse Merkle trees of did:btcr2. A CAS beacon's signal bytes are the hash of
the map of its announcements. There is no key in here, but it says who updated what, and when: hand it to nobody who
should not know that.

btcr2-aggregator archive verify FOLDER        rebuilds every root from its leaves, offline
btcr2-aggregator archive sidecar FOLDER DID   what a resolver needs of it about one DID
`;

export interface ExportSummary {
  folder: string;
  files: { file: string; cohort: string; advert_id: string; records: number }[];
}

/**
 * Writes what is to be kept of formed cohorts into a new folder (0700, its files 0600), each file whole or not at all. Throws
 * OperatorError `exists` for a folder with anything in it.
 */
export function exportArchive(
  folder: string,
  cohorts: readonly { state: CohortState; advert_event: Record<string, unknown> | null }[],
  now: number,
): ExportSummary {
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new OperatorError('exists', `${folder} is not empty: an archive goes into a folder of its own`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const formed = cohorts.filter(({ state }) => state.phase.name === 'formed');
  const files = formed.map(({ state, advert_event }) => {
    const { id, advert } = state;
    const file = join(folder, `${advert.terms.id}-${id.slice(0, 12)}${SUFFIX}`);
    const records = writeLines(file, archiveRecords(state, { advert_event, made_at: now }));
    return { file, cohort: id, advert_id: advert.terms.id, records };
  });
  writeNew(join(folder, 'README.txt'), handle => writeSync(handle, README));
  return { folder, files };
}

function writeLines(path: string, records: Iterable<ArchiveRecord>): number {
  const hash = createHash('sha256');
  let count = 0;
  writeNew(path, handle => {
    let waiting = '';
    const flush = (): void => {
      hash.update(waiting);
      writeSync(handle, waiting);
      waiting = '';
    };
    for (const record of records) {
      waiting += `${JSON.stringify(record)}\n`;
      count++;
      if (waiting.length > BUFFER) flush();
    }
    flush();
    const last: ArchiveRecord = { record: 'end', records: count, sha256: hash.digest('hex') };
    writeSync(handle, `${JSON.stringify(last)}\n`);
  });
  return count;
}

/** A file that is there is whole: it has its name only when all of it is on the disk. */
function writeNew(path: string, write: (handle: number) => void): void {
  const handle = openSync(`${path}.new`, 'wx', 0o600);
  try {
    write(handle);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(`${path}.new`, path);
}

/** The verdict on each file of an archive, by name. Throws OperatorError `bad_archive` for a folder without any. */
export async function verifyArchive(
  folder: string,
): Promise<{ file: string; verdict: ArchiveVerdict | null; text: string | null }[]> {
  const judged: Awaited<ReturnType<typeof verifyArchive>> = [];
  for (const file of filesIn(folder)) {
    const read = await readFile(join(folder, file));
    judged.push(
      'problem' in read
        ? { file, verdict: null, text: read.problem }
        : { file, verdict: judgedWithAdvert(read), text: null },
    );
  }
  return judged;
}

/** The advert is judged here, since its event is Nostr's. */
function judgedWithAdvert(archive: Archive): ArchiveVerdict {
  const verdict = judgeArchive(archive);
  const { advert_event, terms_hash, identity } = archive.cohort;
  if (advert_event === null) return verdict;
  const read = readAdvert(advert_event);
  const isIts = read.ok && read.advert.terms_hash === terms_hash && read.advert.identity === identity;
  return isIts
    ? verdict
    : { ...verdict, problems: ['cohort: the advert is not the one that it names', ...verdict.problems] };
}

/** What an archive holds about one DID, over all of its cohorts that know it. Throws OperatorError `not_found`, `bad_archive`. */
export async function sidecarFrom(folder: string, did: string): Promise<Record<string, Sidecar>> {
  const found: Record<string, Sidecar> = {};
  for (const file of filesIn(folder)) {
    const read = await readFile(join(folder, file));
    if ('problem' in read) throw new OperatorError('bad_archive', `${file}: ${read.problem}`);
    found[read.cohort.beacon_address] = archivedSidecar(read, did);
  }
  return found;
}

function filesIn(folder: string): string[] {
  if (!existsSync(folder)) throw new OperatorError('bad_archive', `${folder} is not there`);
  const files = readdirSync(folder)
    .filter(name => name.endsWith(SUFFIX))
    .sort();
  if (files.length === 0)
    throw new OperatorError('bad_archive', `${folder} holds no archive: no file ends in ${SUFFIX}`);
  return files;
}

async function readFile(path: string): Promise<Archive | { problem: string }> {
  const hash = createHash('sha256');
  const records: ArchiveRecord[] = [];
  let end: Extract<ArchiveRecord, { record: 'end' }> | null = null;
  for await (const line of createInterface({
    input: createReadStream(path, 'utf8'),
    crlfDelay: Number.POSITIVE_INFINITY,
  })) {
    const at = `line ${records.length + 1}`;
    if (end) return { problem: `${at}: something follows the end` };
    const parsed = archiveRecord.safeParse(parseJson(line, { chars: MAX_LINE, depth: 64 }));
    if (!parsed.success) {
      const issue = parsed.error.issues[0]!;
      return { problem: `${at}: ${issue.path.join('.') || 'the record'}: ${issue.message}` };
    }
    if (parsed.data.record === 'end') end = parsed.data;
    else {
      hash.update(`${line}\n`);
      records.push(parsed.data);
    }
  }
  if (!end) return { problem: 'it has no end: the file was cut off' };
  if (end.records !== records.length) return { problem: `${end.records} records are due, ${records.length} are there` };
  if (end.sha256 !== hash.digest('hex')) return { problem: 'it was changed after it was made' };
  return readArchive(records);
}
