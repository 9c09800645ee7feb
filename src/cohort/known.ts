import { applyPatch, jsonHash64, parseDocument } from '../did/index.ts';
import type { QueuedUpdate, Registration } from './state.ts';

export type Known = NonNullable<Registration['known']>;

/**
 * The version that a queued update makes of a known one; null where it was never verified or is made for another
 * document, as when its DID was registered again meanwhile. Never throws for an update that was verified.
 */
export function afterUpdate(known: Known, queued: QueuedUpdate): Known | null {
  const { update, version, verified, did } = queued;
  if (!update || !verified || version !== known.version + 1 || update.sourceHash !== jsonHash64(known.document))
    return null;
  return { document: parseDocument(applyPatch(known.document, update.patch), did), version };
}
