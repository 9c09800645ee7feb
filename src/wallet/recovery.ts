import { z } from 'zod';
import { NETWORKS, type Network } from '../bitcoin/network.ts';
import { toHex } from '../crypto/index.ts';
import {
  announcementOf,
  applyUpdate,
  type DidDocument,
  DidError,
  decodeMultikey,
  makeSidecar,
  parseUpdate,
  type SignedUpdate,
} from '../did/index.ts';
import type { Scheme } from '../messages/index.ts';
import { asHearing, type Heir, heirOf } from './companion/pair.ts';
import { type Membership, provenBeaconOf, type WalletDid, type WalletState } from './state.ts';

/** What a seed does not restore, and a resolver, or a restored wallet, needs. It holds no key, but all that the DIDs say. */
export interface Recovery {
  v: 1;
  network: Network;
  /** Unix seconds. */
  made_at: number;
  cohorts: RecoveryCohort[];
  dids: { did: string; name: string | null; public_key: string; sidecar: object }[];
}

export interface RecoveryCohort {
  /** The advert event that was agreed to. */
  advert_event: unknown;
  /** x-only; the seed has its secret. */
  transport: string;
  scheme: Scheme;
  participant_pk: string;
  beacon_address: string;
  participant_pubkeys: string[];
  /** DIDs that were registered there. */
  dids: string[];
  /** The member there is a companion, to which `transport` speaks: it has the cohort key, and may go on signing. */
  companion?: RecoveryCompanion | undefined;
}

/** By what a wallet that was put back finds its companion. All of it is public; the seed has the keys. */
export interface RecoveryCompanion {
  /** x-only key of the companion's end of the channel. */
  companion: string;
  /** x-only; what messages about the pair name. */
  pairing: string;
  /** Where both meet. */
  relays: string[];
  /** The cohort key's word that a key of the seed may take the seat over, should the companion be lost. */
  heir?: Heir | undefined;
}

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`));
const publicKey = z.string().regex(/^0[23][0-9a-f]{64}$/);
const did = z.string().min(1).max(200);

const recoverySchema = z.strictObject({
  v: z.literal(1),
  network: z.enum(NETWORKS),
  made_at: z.int().min(0),
  cohorts: z
    .array(
      z.strictObject({
        advert_event: z.unknown(),
        transport: hex(32),
        scheme: z.enum(['nip44_v2', 'nip04', 'nip59']),
        participant_pk: publicKey,
        beacon_address: z.string().min(1).max(100),
        participant_pubkeys: z.array(publicKey).max(10_000),
        dids: z.array(did).max(100_000),
        companion: z
          .strictObject({
            companion: hex(32),
            pairing: hex(32),
            relays: z.array(z.string().min(1).max(500)).max(20),
            heir: z.strictObject({ transport_key: hex(32), counter: z.int().min(1), sig: hex(64) }).optional(),
          })
          .optional(),
      }),
    )
    .max(10_000),
  dids: z
    .array(
      z.strictObject({
        did,
        name: z.string().max(64).nullable(),
        public_key: publicKey,
        sidecar: z.record(z.string(), z.unknown()),
      }),
    )
    .max(100_000),
});

/** A recovery file for this wallet. Updates that were refused, or gave way to another, are left out: they are on no chain. */
export function recoveryOf(state: WalletState, network: Network, now: number): Recovery {
  return {
    v: 1,
    network,
    made_at: now,
    cohorts: [...state.cohorts.values()].flatMap(membership => {
      const beacon = provenBeaconOf(membership);
      if (!beacon) return [];
      const { advert_event, transport, scheme = 'nip44_v2', participant_pk } = membership;
      const { beacon_address, participant_pubkeys, registrations } = beacon;
      const dids = [...registrations].flatMap(([name, { name: at }]) => (at === 'held' ? [name] : []));
      const seat = { advert_event, transport, scheme, participant_pk, beacon_address, participant_pubkeys, dids };
      const companion = companionOf(state, membership);
      return [companion ? { ...seat, companion } : seat];
    }),
    dids: [...state.dids.values()].map(own => ({
      did: own.did,
      name: own.name,
      public_key: own.public_key,
      sidecar: makeSidecar({
        ...(own.genesis ? { genesisDocument: own.genesis } : {}),
        updates: own.updates.filter(isKept).map(({ update }) => update),
      }),
    })),
  };
}

/** Of a companion that was given up nothing is kept but the seats that were taken over, which are this wallet's own. */
function companionOf(state: WalletState, { cohort, companion }: Membership): RecoveryCompanion | null {
  const owner = asHearing(state);
  if (!owner || owner.companion !== companion) return null;
  const { pairing, relays } = owner;
  const heir = heirOf(owner, cohort);
  return { companion, pairing, relays, ...(heir ? { heir } : {}) };
}

const isKept = ({ state }: WalletDid['updates'][number]): boolean => state !== 'refused' && state !== 'replaced';

/** Reads a recovery file; the text says which part of it is wrong. */
export function readRecovery(value: unknown): { ok: true; recovery: Recovery } | { ok: false; text: string } {
  const parsed = recoverySchema.safeParse(value);
  if (parsed.success) return { ok: true, recovery: parsed.data };
  const issue = parsed.error.issues[0]!;
  return { ok: false, text: `${issue.path.join('.') || 'the file'}: ${issue.message}` };
}

/** Every key (33-byte compressed hex) that a document names. */
export const keysOf = (document: DidDocument): string[] =>
  (document.verificationMethod ?? []).flatMap(({ publicKeyMultibase }) => {
    try {
      return typeof publicKeyMultibase === 'string' ? [toHex(decodeMultikey(publicKeyMultibase))] : [];
    } catch {
      return [];
    }
  });

/**
 * Puts signed updates on top of the first document, version by version, each verified as a resolver would. Throws DidError
 * for one that fits nowhere: it would be taken for an update that may be announced.
 */
export function versionsOf(
  subject: string,
  first: DidDocument,
  given: readonly unknown[],
): { documents: DidDocument[]; updates: { version: number; announcement: string; update: SignedUpdate }[] } {
  const documents = [first];
  const updates: { version: number; announcement: string; update: SignedUpdate }[] = [];
  let last = [first];
  const waiting = given.map(parseUpdate);
  for (let version = 2; waiting.length > updates.length; version++) {
    const made: DidDocument[] = [];
    for (const update of waiting.filter(({ targetVersionId }) => targetVersionId === version)) {
      made.push(onTopOf(last, subject, version - 1, update));
      updates.push({ version, announcement: toHex(announcementOf(update)), update });
    }
    if (made.length === 0)
      throw new DidError(
        'INVALID_DID_UPDATE',
        `the update to version ${version} is missing, and a later one is there`,
        {
          did: subject,
        },
      );
    documents.push(...made);
    last = made;
  }
  return { documents, updates };
}

function onTopOf(
  documents: readonly DidDocument[],
  subject: string,
  versionId: number,
  update: SignedUpdate,
): DidDocument {
  let problem: unknown = null;
  for (const document of documents)
    try {
      return applyUpdate({ did: subject, document, versionId, update });
    } catch (error) {
      problem = error;
    }
  throw problem;
}
