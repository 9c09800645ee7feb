import { type Bytes, equalBytes, fromBase64url, fromHex, toBase64url, toHex } from '../crypto/index.ts';
import { jsonHash } from '../did/jcs.ts';
import { NoUpdateError, SignalEntryError } from './errors.ts';
import { ownMember } from './json.ts';
import { wrongAnnouncement } from './mismatch.ts';
import type { Aggregate, EvidenceCheck, EvidenceProblem, SignalEntry } from './types.ts';

/** The CAS beacon's half of `aggregate`: the announcement map of all updated DIDs, and its JSON Document Hash. */
export function aggregateCas(entries: readonly SignalEntry[]): Aggregate {
  const announcements = new Map<string, string>();
  for (const { index, did, announcement, leaf } of entries) {
    if (leaf !== undefined) throw new SignalEntryError(index, 'a CAS beacon cannot be blinded');
    if (announcement === undefined) continue;
    if (did === undefined) throw new SignalEntryError(index, 'an announcement map names every updated DID');
    if (announcements.has(did)) throw new SignalEntryError(index, 'a DID has one update in a signal');
    announcements.set(did, toBase64url(fromHex(announcement, 32)));
  }
  if (announcements.size === 0) throw new NoUpdateError();
  const map = Object.fromEntries(announcements);
  return { type: 'CASBeacon', signalBytes: jsonHash(map), crown: null, evidenceFor: () => ({ map: { ...map } }) };
}

/** The CAS beacon's half of `checkEvidence`: the map hashes to the signal bytes and says of every DID what was submitted. */
export function checkCasEvidence({ evidence, signalBytes, expected }: EvidenceCheck): EvidenceProblem[] {
  const announced = readMap(ownMember(evidence, 'map'));
  if (announced === null)
    return [
      { code: 'map_invalid', text: 'not an announcement map: at least one DID, each with 32 bytes in base64url' },
    ];
  if (!equalBytes(announced.hash, signalBytes))
    return [{ code: 'wrong_signal_bytes', text: 'the announcement map does not hash to the signal bytes' }];

  return expected.flatMap(({ did, announcement }): EvidenceProblem[] => {
    const found = announced.byDid.get(did) ?? null;
    if (found === announcement) return [];
    return [{ code: 'wrong_announcement', subject: did, text: wrongAnnouncement(found, announcement) }];
  });
}

/** The announcements (hex) of a map and its JSON Document Hash; null, never a throw, for any JSON that is no such map. */
function readMap(map: unknown): { byDid: Map<string, string>; hash: Bytes } | null {
  if (typeof map !== 'object' || map === null || Array.isArray(map)) return null;
  try {
    const byDid = new Map(
      Object.entries(map).map(([did, value]) => {
        if (typeof value !== 'string') throw new TypeError('an announcement is text');
        return [did, toHex(fromBase64url(value, 32))];
      }),
    );
    return byDid.size === 0 ? null : { byDid, hash: jsonHash(map) };
  } catch {
    return null;
  }
}
