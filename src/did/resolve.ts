import type { BitOrder } from '../smt/index.ts';
import { beaconServices } from './beacon-service.ts';
import { type DidDocument, isDeactivated } from './document.ts';
import { DidError, type MissingPart, withDetail } from './errors.ts';
import { documentOfGenesis, initialDocument } from './first-document.ts';
import { decodeDid } from './identifier.ts';
import { jsonHash64 } from './jcs.ts';
import { readSidecar, type SidecarTables } from './sidecar.ts';
import { announcedTo, type BeaconSignal, type SignalSource, signalBytesOf } from './signal.ts';
import { applyUpdate, type SignedUpdate } from './update.ts';

/** Six confirmations, as the specification has it. */
export const DEFAULT_MIN_CONF = 6;

export interface ResolveOptions {
  /** Resolve this version: decimal digits, from '1'. Excludes `versionTime`. */
  versionId?: string;
  /** Resolve the version valid at this time: XML datetime in UTC without fractions. */
  versionTime?: string;
  /** Confirmations that a signal needs, from 1. */
  minConf?: number;
  /** How the SMT proofs number their bits; `lsb` is for trees as older software made them. */
  bitOrder?: BitOrder;
  /**
   * As older software resolves: a beacon that an update added counts from its first signal on, not only from that
   * update's block on, and services under the former names of the beacon types are beacons. Says nothing of bit orders.
   */
  legacy?: boolean;
}

/** An update that was applied, and the signal that announced it first. */
export interface AppliedUpdate {
  update: SignedUpdate;
  /** Announcement, base64url. */
  updateHash: string;
  signal: BeaconSignal;
}

export interface Resolution {
  document: DidDocument;
  /** '1' for the first document. */
  versionId: string;
  deactivated: boolean;
  /** Of the block that announced the last applied update first; 0 if none was applied. */
  confirmations: number;
  updates: AppliedUpdate[];
  /** Every signal that was read: what a sidecar for this DID must hold the proof, map or update of. */
  neededSignals: BeaconSignal[];
}

interface Target {
  versionId: number | undefined;
  /** Unix seconds. */
  versionTime: number | undefined;
  minConf: number;
}

interface Announcement {
  signal: BeaconSignal;
  update: Readonly<Record<string, unknown>>;
  updateHash: string;
  targetVersionId: number;
}

/**
 * Resolves a did:btcr2 identifier (chapter Resolve) from its sidecar and a view of the chain.
 * Throws a DidError: INVALID_DID, INVALID_DID_DOCUMENT, INVALID_OPTIONS, MISSING_UPDATE_DATA (`detail.missing` lists all
 * that the beacons read so far lack), INVALID_SIGNAL_DATA, INVALID_DID_UPDATE, LATE_PUBLISHING, or NOT_FOUND for a
 * version that is never reached. Faults of `chain` pass through.
 */
export async function resolve(params: {
  did: string;
  sidecar?: unknown;
  options?: ResolveOptions;
  chain: SignalSource;
}): Promise<Resolution> {
  const { did, chain, options = {} } = params;
  const { kind } = decodeDid(did);
  const target = readTarget(options);
  const { legacy = false } = options;
  const tables = readSidecar(params.sidecar ?? {});

  let document = kind === 'key' ? initialDocument(did) : documentFromSidecar(did, tables);
  let height = 0;
  let confirmations = 0;
  const applied: AppliedUpdate[] = [];
  const unsignedHashes: string[] = [];
  const scanned = new Set<string>();
  const signals: BeaconSignal[] = [];
  let pending: Announcement[] = [];

  const tip = (await chain.tip()).height;
  const version = (): number => applied.length + 1;
  const resolution = (): Resolution => ({
    document,
    versionId: String(version()),
    deactivated: isDeactivated(document),
    confirmations,
    updates: applied,
    neededSignals: signals,
  });

  while (!isDeactivated(document)) {
    // Each address is read once, and whole: what an update of it later removes or ends is still there to be proved.
    const found: BeaconSignal[] = [];
    for (const beacon of beaconServices(document, { legacy })) {
      if (scanned.has(beacon.address)) continue;
      scanned.add(beacon.address);
      const fromHeight = legacy ? 0 : height;
      found.push(...(await signalsOf(chain, beacon, fromHeight, tip - target.minConf + 1)));
    }
    signals.push(...found);
    pending = inOrder([...pending, ...announcementsIn(found, did, tables, options.bitOrder ?? 'spec')]);

    if (version() === target.versionId) return resolution();
    const next = pending.shift();
    if (next === undefined) break;

    const { signal, targetVersionId } = next;
    // The beacon was removed before: whoever holds its keys now has no say any more.
    if (!beaconServices(document, { legacy }).some(beacon => beacon.address === signal.address)) continue;
    if (targetVersionId > version() && target.versionTime !== undefined && signal.blockTime > target.versionTime) break;

    const where = { did, txid: signal.txid, address: signal.address, height: signal.height, targetVersionId };
    if (targetVersionId <= version()) {
      confirmDuplicate(next, unsignedHashes, where);
      continue;
    }
    if (targetVersionId > version() + 1)
      throw new DidError('LATE_PUBLISHING', `version ${version() + 1} was never announced`, where);

    const current = document;
    document = withDetail(where, () =>
      applyUpdate({ did, document: current, versionId: version(), update: next.update, blockTime: signal.blockTime }),
    );
    unsignedHashes.push(unsignedHash(next.update));
    applied.push({ update: next.update as SignedUpdate, updateHash: next.updateHash, signal });
    confirmations = tip - signal.height + 1;
    height = signal.height;
  }
  if (target.versionId !== undefined && version() !== target.versionId)
    throw new DidError('NOT_FOUND', `the DID has no version ${target.versionId}`, { did, field: 'versionId' });
  return resolution();
}

function documentFromSidecar(did: string, tables: SidecarTables): DidDocument {
  if (tables.genesisDocument === undefined)
    throw new DidError('INVALID_DID', 'the sidecar has no genesis document', { did, field: 'genesisDocument' });
  return documentOfGenesis(did, tables.genesisDocument);
}

async function signalsOf(
  chain: SignalSource,
  { address, type }: { address: string; type: BeaconSignal['type'] },
  fromHeight: number,
  toHeight: number,
): Promise<BeaconSignal[]> {
  const signals = new Map<string, BeaconSignal>();
  for (const { txid, height, blockTime, lastOutputScript } of await chain.spends(address, fromHeight)) {
    const signalBytes = signalBytesOf(lastOutputScript);
    if (signalBytes === null || height < fromHeight || height > toHeight) continue;
    signals.set(txid, { address, type, txid, height, blockTime, signalBytes });
  }
  return [...signals.values()];
}

/** What the signals announce for the DID. Throws MISSING_UPDATE_DATA with all that is missing among them. */
function announcementsIn(
  signals: readonly BeaconSignal[],
  did: string,
  tables: SidecarTables,
  order: BitOrder,
): Announcement[] {
  const announcements: Announcement[] = [];
  const missing: MissingPart[] = [];
  for (const signal of signals) {
    const { txid, address, height, signalBytes } = signal;
    const where = { did, txid, address, height, signalBytes };
    const announced = withDetail(where, () => announcedTo(did, signal, tables, order));
    if ('missing' in announced) missing.push(announced.missing);
    else if (announced.update !== null) {
      const { update, updateHash } = announced;
      announcements.push({
        signal,
        update,
        updateHash,
        targetVersionId: targetVersionOf(update, { ...where, updateHash }),
      });
    }
  }
  const first = missing[0];
  if (first !== undefined)
    throw new DidError('MISSING_UPDATE_DATA', `the sidecar lacks the ${first.part} of a beacon signal`, {
      did,
      part: first.part,
      txid: first.txid,
      address: first.address,
      height: first.height,
      missing,
    });
  return announcements;
}

/** All that has to be right before an update can take its place in line; the rest is judged when its turn comes. */
function targetVersionOf(update: Readonly<Record<string, unknown>>, where: object): number {
  const { targetVersionId } = update;
  if (typeof targetVersionId === 'number' && Number.isSafeInteger(targetVersionId)) return targetVersionId;
  throw new DidError('INVALID_DID_UPDATE', 'no version number', { ...where, field: 'targetVersionId' });
}

const inOrder = (announcements: readonly Announcement[]): Announcement[] =>
  announcements.toSorted((a, b) => a.targetVersionId - b.targetVersionId || a.signal.height - b.signal.height);

/** The same update announced again is harmless; another one for a version that exists rewrites history. */
function confirmDuplicate(next: Announcement, unsignedHashes: readonly string[], where: object): void {
  if (next.targetVersionId < 2)
    throw new DidError('INVALID_DID_UPDATE', 'version 1 is never announced', { ...where, field: 'targetVersionId' });
  if (unsignedHash(next.update) !== unsignedHashes[next.targetVersionId - 2])
    throw new DidError('LATE_PUBLISHING', `two updates for version ${next.targetVersionId}`, where);
}

/** Two signatures over one update make it no other update, so the proof is left out. */
function unsignedHash({ proof: _, ...unsigned }: Readonly<Record<string, unknown>>): string {
  return jsonHash64(unsigned);
}

function readTarget({ versionId, versionTime, minConf = DEFAULT_MIN_CONF }: ResolveOptions): Target {
  if (versionId !== undefined && versionTime !== undefined)
    throw badOption('versionId', 'versionId and versionTime exclude each other');
  if (!Number.isSafeInteger(minConf) || minConf < 1) throw badOption('minConf', 'at least one confirmation');
  return {
    versionId: versionId === undefined ? undefined : readVersion(versionId),
    versionTime: versionTime === undefined ? undefined : readTime(versionTime),
    minConf,
  };
}

function readVersion(text: string): number {
  if (!/^[1-9][0-9]{0,14}$/.test(text)) throw badOption('versionId', 'not a version number');
  return Number(text);
}

function readTime(text: string): number {
  const milliseconds = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(milliseconds)) throw badOption('versionTime', 'not a UTC datetime without fractions');
  return milliseconds / 1000;
}

const badOption = (field: string, reason: string): DidError => new DidError('INVALID_OPTIONS', reason, { field });
