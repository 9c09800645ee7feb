import type { Chain } from '../chain/index.ts';
import { type Beacon, type ControlResult, signalHistory } from '../cohort/index.ts';
import { DidError, resolve } from '../did/index.ts';
import type { Terms } from '../messages/index.ts';
import type { SmtProof } from '../smt/index.ts';
import { signalSource } from './source.ts';

/**
 * Resolves a DID that somebody wants to register: from the sidecar that came with the request, and from the evidence
 * and updates that the aggregator itself holds for its own beacon. Faults of the chain pass through: they say nothing.
 */
export async function checkControl(
  chain: Chain,
  terms: Terms,
  beacon: Beacon,
  request: { did: string; sidecar: Record<string, unknown> },
): Promise<ControlResult> {
  try {
    const { document, versionId, deactivated } = await resolve({
      did: request.did,
      sidecar: withOwnEvidence(terms, beacon, request),
      chain: signalSource(chain),
      options: { bitOrder: terms.bit_order },
    });
    return { ok: true, document, version: Number(versionId), deactivated };
  } catch (error) {
    if (!(error instanceof DidError)) throw error;
    return { ok: false, text: `${error.code}: ${error.reason}` };
  }
}

function withOwnEvidence(
  terms: Terms,
  beacon: Beacon,
  { did, sidecar }: { did: string; sidecar: Record<string, unknown> },
): Record<string, unknown> {
  const proofs: SmtProof[] = [];
  const maps: Record<string, string>[] = [];
  for (const { evidence } of signalHistory(terms, beacon, did))
    if ('map' in evidence) maps.push(evidence.map);
    else proofs.push(...Object.values(evidence.proofs));
  const updates = (beacon.updates.get(did) ?? []).flatMap(queued => queued.update ?? []);
  const joined = (field: string, own: readonly object[]): unknown => {
    const given = sidecar[field];
    return given === undefined || Array.isArray(given) ? [...(given ?? []), ...own] : given;
  };
  return {
    ...sidecar,
    updates: joined('updates', updates),
    casUpdates: joined('casUpdates', maps),
    smtProofs: joined('smtProofs', proofs),
  };
}
