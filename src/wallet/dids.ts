import { equalBytes, fromHex } from '../crypto/index.ts';
import {
  applyUpdate,
  type DidDocument,
  documentOfGenesis,
  initialDocument,
  makeSidecar,
  type Purpose,
  type Sidecar,
  type SignedUpdate,
  verificationMethodFor,
} from '../did/index.ts';
import type { SmtProof } from '../smt/index.ts';
import { beaconOf, isCommitted, provenBeaconOf, type WalletDid, type WalletState, type WalletUpdate } from './core.ts';

/** The document of version 1. */
export const firstDocument = (own: WalletDid): DidDocument =>
  own.genesis ? documentOfGenesis(own.did, own.genesis) : initialDocument(own.did);

/** Id of the verification method by which a key may act for a purpose; null if the document does not list it. */
export function methodOf(document: DidDocument, purpose: Purpose, publicKey: string): string | null {
  const key = fromHex(publicKey, 33);
  for (const entry of document[purpose] ?? []) {
    const id = typeof entry === 'string' ? entry : entry.id;
    const found = verificationMethodFor(document, purpose, id);
    if (found && equalBytes(found, key)) return id;
  }
  return null;
}

/** Everything that a resolver needs of this wallet for a DID: genesis document, updates, and all proofs and maps. */
export function sidecarOf(state: WalletState, own: WalletDid): Sidecar {
  const smtProofs: SmtProof[] = [];
  const casUpdates: object[] = [];
  for (const membership of state.cohorts.values())
    for (const { proofs, map } of provenBeaconOf(membership)?.signals.values() ?? []) {
      const proof = proofs.get(own.did);
      if (proof) smtProofs.push(proof);
      if (map) casUpdates.push(map);
    }
  return makeSidecar({
    ...(own.genesis ? { genesisDocument: own.genesis } : {}),
    updates: own.updates.filter(update => update.state !== 'refused').map(({ update }) => update),
    casUpdates,
    smtProofs,
  });
}

/** What the next update has to build on: the resolved version, or the one after it if that is on its way for good. */
export function baseOfNext(
  own: WalletDid,
  resolved: { document: DidDocument; version: number },
): { document: DidDocument; version: number; waitsFor: WalletUpdate | null } {
  const next = own.updates.find(update => update.version === resolved.version + 1 && isUnderWay(update));
  if (!next) return { ...resolved, waitsFor: null };
  const document = applyUpdate({
    did: own.did,
    document: resolved.document,
    versionId: resolved.version,
    update: next.update,
  });
  return { document, version: next.version, waitsFor: next };
}

const isUnderWay = ({ state }: WalletUpdate): boolean =>
  state === 'frozen' || state === 'locked' || state === 'broadcast' || state === 'final' || state === 'returned';

/** The cohorts in which a DID is registered. */
export const holdersOf = (state: WalletState, did: string): string[] =>
  [...state.cohorts.values()]
    .filter(membership => beaconOf(membership)?.registrations.get(did)?.name === 'held')
    .map(({ cohort }) => cohort);

/**
 * Cohorts that hold another update of the version that is about to be announced without them. Theirs can never be signed
 * for any more, so they get this one in its place: else every round of theirs would be vetoed.
 */
export function rivalCohorts(state: WalletState, own: WalletDid, update: SignedUpdate): string[] {
  const rivals = own.updates.filter(
    known => known.version === update.targetVersionId && known.update !== update && !isCommitted(known.state),
  );
  const sent = new Set(rivals.filter(known => known.state !== 'refused').flatMap(known => known.cohorts));
  return holdersOf(state, own.did).filter(cohort => sent.has(cohort));
}
