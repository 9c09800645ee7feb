import { fromBase64url, fromHex, isHex, toBase64url } from '../crypto/index.ts';
import type { BitOrder } from '../smt/index.ts';
import type { BeaconType } from './beacon-service.ts';
import { DidError, type MissingPart } from './errors.ts';
import { proofFor, type SidecarTables } from './sidecar.ts';

/** A confirmed transaction that spends from a beacon address. */
export interface BeaconSpend {
  txid: string;
  height: number;
  /** Mediantime of its block, Unix seconds. */
  blockTime: number;
  hex?: string;
  /** Script of its last output, lowercase hex. */
  lastOutputScript: string;
}

/** The view of the chain that resolution needs. */
export interface SignalSource {
  tip(): Promise<{ height: number }>;
  /** Every confirmed transaction that spends from the address in block `fromHeight` or later. */
  spends(address: string, fromHeight: number): Promise<readonly BeaconSpend[]>;
}

/** A beacon signal: a spend whose last output carries signal bytes (32 bytes, lowercase hex). */
export interface BeaconSignal {
  address: string;
  type: BeaconType;
  txid: string;
  height: number;
  blockTime: number;
  signalBytes: string;
}

/** What a signal says about one DID: the update it announces, none, or nothing that can be told without what is missing. */
export type Announced =
  | { update: Readonly<Record<string, unknown>>; updateHash: string }
  | { update: null }
  | { missing: MissingPart };

/** `OP_RETURN <32 bytes>` and nothing else (chapter Terminology, Signal Bytes): the 32 bytes in hex, or null. */
export const signalBytesOf = (lastOutputScript: string): string | null =>
  isHex(lastOutputScript, 34) && lastOutputScript.startsWith('6a20') ? lastOutputScript.slice(4) : null;

/**
 * What a signal announces for `did` (chapter Resolve, Process CAS Beacon and Process SMT Beacon).
 * Throws INVALID_SIGNAL_DATA for a proof that does not verify, or a map entry that is no hash.
 */
export function announcedTo(did: string, signal: BeaconSignal, tables: SidecarTables, order: BitOrder): Announced {
  const bytes = toBase64url(fromHex(signal.signalBytes, 32));
  const missing = (part: MissingPart['part'], hash: string): Announced => ({
    missing: { part, hash, txid: signal.txid, address: signal.address, height: signal.height },
  });
  const updateAt = (updateHash: string): Announced => {
    const update = tables.updates.get(updateHash);
    return update === undefined ? missing('update', updateHash) : { update, updateHash };
  };
  switch (signal.type) {
    case 'SingletonBeacon':
      return updateAt(bytes);
    case 'CASBeacon': {
      const announcements = tables.casUpdates.get(bytes);
      if (announcements === undefined) return missing('cas-announcement', bytes);
      return Object.hasOwn(announcements, did) ? updateAt(readHash(did, announcements[did])) : { update: null };
    }
    case 'SMTBeacon': {
      const proof = proofFor(did, bytes, tables, order);
      if (proof === undefined) return missing('smt-proof', bytes);
      return proof.updateId === undefined ? { update: null } : updateAt(proof.updateId);
    }
  }
}

function readHash(did: string, entry: unknown): string {
  try {
    if (typeof entry === 'string') return toBase64url(fromBase64url(entry, 32));
  } catch {
    // Falls through to the one refusal below.
  }
  throw new DidError('INVALID_SIGNAL_DATA', 'the entry is not a hash', { did, part: 'cas-announcement' });
}
