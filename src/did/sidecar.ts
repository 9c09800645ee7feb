import { z } from 'zod';
import { fromBase64url, toBase64url } from '../crypto/index.ts';
import { type BitOrder, leafIndex, type SmtProof, verifySmtProof } from '../smt/index.ts';
import { DidError } from './errors.ts';
import { jcs, jsonHash64 } from './jcs.ts';

export const SIDECAR_CONTEXT = 'https://btcr2.dev/context/v1';

const jsonObject = z.record(z.string(), z.unknown());
const smtProof = z.object({
  id: z.string(),
  nonce: z.string().optional(),
  updateId: z.string().optional(),
  collapsed: z.string(),
  hashes: z.array(z.string()).max(256),
});

/**
 * Sidecar Data (chapter Data Structures). Updates and announcement maps are only objects here: what they say is judged
 * when a signal announces them, since a sidecar may carry more than is announced.
 */
export const sidecarSchema = z.looseObject({
  '@context': z.literal(SIDECAR_CONTEXT).optional(),
  genesisDocument: jsonObject.optional(),
  updates: z.array(jsonObject).optional(),
  casUpdates: z.array(jsonObject).optional(),
  smtProofs: z.array(z.unknown()).optional(),
});

/** Sidecar Data as {@link makeSidecar} writes it. */
export interface Sidecar {
  '@context': typeof SIDECAR_CONTEXT;
  genesisDocument?: object;
  updates: object[];
  casUpdates: object[];
  smtProofs: SmtProof[];
}

/** Sidecar Data made ready for look-up. Hashes are base64url. */
export interface SidecarTables {
  genesisDocument: unknown;
  /** Signed updates, and CAS announcement maps, by their JSON Document Hash. */
  updates: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  casUpdates: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  /** SMT proofs by their `id`; a sidecar for several DIDs has several of one signal. */
  smtProofs: ReadonlyMap<string, readonly SmtProof[]>;
}

/** Sidecar Data for a resolver; what is given twice is written once. */
export function makeSidecar(parts: {
  genesisDocument?: object;
  updates?: readonly object[];
  casUpdates?: readonly object[];
  smtProofs?: readonly SmtProof[];
}): Sidecar {
  return {
    '@context': SIDECAR_CONTEXT,
    ...(parts.genesisDocument === undefined ? {} : { genesisDocument: parts.genesisDocument }),
    updates: distinct(parts.updates),
    casUpdates: distinct(parts.casUpdates),
    smtProofs: distinct(parts.smtProofs),
  };
}

/**
 * The tables of a sidecar (chapter Resolve, Process Sidecar Data).
 * Throws INVALID_OPTIONS if it is no Sidecar Data, INVALID_SIGNAL_DATA if an SMT proof has another shape or an `id`
 * that is not 32 bytes, so that it could belong to no signal.
 */
export function readSidecar(sidecar: unknown): SidecarTables {
  const parsed = sidecarSchema.safeParse(sidecar);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new DidError('INVALID_OPTIONS', `not Sidecar Data: ${issue?.message}`, {
      field: ['sidecar', ...(issue?.path ?? [])].join('.'),
    });
  }
  const { genesisDocument, updates = [], casUpdates = [], smtProofs = [] } = sidecar as z.infer<typeof sidecarSchema>;
  const proofs = new Map<string, SmtProof[]>();
  for (const value of smtProofs) {
    const proof = readProof(value);
    const known = proofs.get(proof.id);
    if (known === undefined) proofs.set(proof.id, [proof]);
    else known.push(proof);
  }
  return {
    genesisDocument,
    updates: byHash(updates, 'updates'),
    casUpdates: byHash(casUpdates, 'casUpdates'),
    smtProofs: proofs,
  };
}

/**
 * The proof for `did` under a signal's root (base64url): undefined where the sidecar has none for that root.
 * Throws INVALID_SIGNAL_DATA if it has some and none verifies for this DID.
 */
export function proofFor(did: string, root: string, tables: SidecarTables, order: BitOrder): SmtProof | undefined {
  const candidates = tables.smtProofs.get(root);
  if (candidates === undefined) return undefined;
  const index = leafIndex(did);
  const proof = candidates.find(candidate => verifySmtProof(index, candidate, order));
  if (proof === undefined)
    throw new DidError('INVALID_SIGNAL_DATA', 'the SMT proof does not verify', { did, part: 'smt-proof' });
  return proof;
}

function readProof(value: unknown): SmtProof {
  const parsed = smtProof.safeParse(value);
  if (!parsed.success)
    throw new DidError('INVALID_SIGNAL_DATA', 'not an SMT proof', {
      part: 'smt-proof',
      field: parsed.error.issues[0]?.path.join('.') ?? '',
    });
  try {
    return { ...parsed.data, id: toBase64url(fromBase64url(parsed.data.id, 32)) };
  } catch (cause) {
    throw new DidError('INVALID_SIGNAL_DATA', 'id is not 32 bytes', { part: 'smt-proof', field: 'id' }, { cause });
  }
}

function byHash(items: readonly Record<string, unknown>[], field: string): Map<string, Record<string, unknown>> {
  try {
    return new Map(items.map(item => [jsonHash64(item), item]));
  } catch (cause) {
    throw new DidError('INVALID_OPTIONS', 'the sidecar is not JSON', { field: `sidecar.${field}` }, { cause });
  }
}

const distinct = <T extends object>(items: readonly T[] = []): T[] => [
  ...new Map(items.map(item => [jcs(item), item])).values(),
];
