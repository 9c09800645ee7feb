import { z } from 'zod';
import type { Evidence } from '../../beacon/index.ts';
import type { Network } from '../../bitcoin/network.ts';
import { sha256, toHex, utf8 } from '../../crypto/index.ts';
import { jcs, makeSidecar } from '../../did/index.ts';
import { smtProof } from '../../messages/index.ts';
import type { SmtProof } from '../../smt/index.ts';
import type { Heir } from '../companion/pair.ts';
import { type Recovery, type RecoveryCohort, type RecoveryCompanion, readRecovery, recoveryOf } from '../recovery.ts';
import { provenBeaconOf, type WalletState } from '../state.ts';

/**
 * One thing that a seed does not restore. None of them ever changes: what does change in a wallet becomes another item,
 * so whatever was saved once is not written again. There is no secret among them that the seed does not give already.
 */
export type SavedItem =
  | { t: 'did'; did: string; name: string | null; public_key: string; genesis: object | null }
  | { t: 'update'; did: string; update: object }
  | ({ t: 'cohort' } & Omit<RecoveryCohort, 'dids' | 'companion'>)
  /** The companion that is the member of a cohort, and the word of its key about who takes its seat over, once given. */
  | ({ t: 'companion'; at: string } & Omit<RecoveryCompanion, 'heir'>)
  | ({ t: 'heir'; at: string } & Heir)
  /** A DID that is registered in a cohort, which its beacon address names. */
  | { t: 'seat'; at: string; did: string }
  | { t: 'proof'; at: string; signal_bytes: string; did: string; proof: SmtProof }
  | { t: 'map'; at: string; signal_bytes: string; map: Record<string, string> };

/** Proofs or map of one signal of a beacon address. */
export interface SavedEvidence {
  beacon_address: string;
  signal_bytes: string;
  evidence: Evidence;
}

/** What was read back: the recovery record, and the evidence that a dead aggregator does not serve any more. */
export interface SavedRecord {
  recovery: Recovery;
  evidence: SavedEvidence[];
}

const text = z.string().min(1).max(200);
const hash32 = z.string().regex(/^[0-9a-f]{64}$/);
const anything = z.record(z.string(), z.unknown());
const itemSchema = z.discriminatedUnion('t', [
  z.strictObject({
    t: z.literal('did'),
    did: text,
    name: z.string().nullable(),
    public_key: text,
    genesis: anything.nullable(),
  }),
  z.strictObject({ t: z.literal('update'), did: text, update: anything }),
  z.strictObject({
    t: z.literal('cohort'),
    advert_event: z.unknown(),
    transport: text,
    scheme: z.enum(['nip44_v2', 'nip04', 'nip59']),
    participant_pk: text,
    beacon_address: text,
    participant_pubkeys: z.array(text),
  }),
  z.strictObject({ t: z.literal('seat'), at: text, did: text }),
  z.strictObject({ t: z.literal('companion'), at: text, companion: hash32, pairing: hash32, relays: z.array(text) }),
  z.strictObject({ t: z.literal('heir'), at: text, transport_key: hash32, counter: z.int().min(1), sig: text }),
  z.strictObject({ t: z.literal('proof'), at: text, signal_bytes: hash32, did: text, proof: smtProof }),
  z.strictObject({ t: z.literal('map'), at: text, signal_bytes: hash32, map: z.record(text, text) }),
]);

/** Reads what one line of a saved chunk says; null for what is no item. */
export function readItem(value: unknown): SavedItem | null {
  const parsed = itemSchema.safeParse(value);
  return parsed.success ? (parsed.data as SavedItem) : null;
}

/** Everything of a wallet that its seed does not restore, in a fixed order. */
export function itemsOf(state: WalletState, network: Network): SavedItem[] {
  const { cohorts, dids } = recoveryOf(state, network, 0);
  const items: SavedItem[] = [];
  for (const { did, name, public_key, sidecar } of dids) {
    const { genesisDocument, updates } = sidecar as { genesisDocument?: object; updates: object[] };
    items.push({ t: 'did', did, name, public_key, genesis: genesisDocument ?? null });
    for (const update of updates) items.push({ t: 'update', did, update });
  }
  for (const { dids: seats, companion, ...cohort } of cohorts) {
    const at = cohort.beacon_address;
    items.push({ t: 'cohort', ...cohort });
    for (const did of seats) items.push({ t: 'seat', at, did });
    if (!companion) continue;
    const { heir, ...known } = companion;
    items.push({ t: 'companion', at, ...known });
    if (heir) items.push({ t: 'heir', at, ...heir });
  }
  for (const membership of state.cohorts.values()) {
    const beacon = provenBeaconOf(membership);
    const at = beacon?.beacon_address ?? '';
    for (const { signal_bytes, proofs, map } of beacon?.signals.values() ?? []) {
      if (map) items.push({ t: 'map', at, signal_bytes, map });
      for (const [did, proof] of proofs) items.push({ t: 'proof', at, signal_bytes, did, proof });
    }
  }
  return items;
}

/** The line of an item: JCS, so that it is the same whichever way the wallet came by it. */
export const lineOf = (item: SavedItem): string => jcs(item);

/** Names of items whose content never changes; proofs and updates are many, and hashed once. */
const hashed = new WeakMap<object, string>();

/** What an item is known by: the first 16 bytes of sha256 of its line, in hex. */
export function idOf(item: SavedItem): string {
  const lasting =
    item.t === 'proof' ? item.proof : item.t === 'update' ? item.update : item.t === 'map' ? item.map : null;
  const known = lasting && hashed.get(lasting);
  if (known) return known;
  const id = toHex(sha256(utf8(lineOf(item))).subarray(0, 16));
  if (lasting) hashed.set(lasting, id);
  return id;
}

/** Puts a record together again. The text says what of it is missing or wrong: nothing is guessed. */
export function recordOf(
  items: readonly SavedItem[],
  { network, made_at }: { network: Network; made_at: number },
): { ok: true; record: SavedRecord } | { ok: false; text: string } {
  const updates = grouped(items, item => (item.t === 'update' ? [item.did, item.update] : null));
  const seats = grouped(items, item => (item.t === 'seat' ? [item.at, item.did] : null));
  const dids = items.flatMap(item => {
    if (item.t !== 'did') return [];
    const { did, name, public_key, genesis } = item;
    const sidecar = makeSidecar({ ...(genesis ? { genesisDocument: genesis } : {}), updates: updates.get(did) ?? [] });
    return [{ did, name, public_key, sidecar }];
  });
  const cohorts = items.flatMap(item => {
    if (item.t !== 'cohort') return [];
    const { t: _, ...cohort } = item;
    const companion = companionIn(items, cohort.beacon_address);
    return [
      { ...cohort, dids: seats.get(cohort.beacon_address) ?? [], ...(companion === undefined ? {} : { companion }) },
    ];
  });
  const read = readRecovery({ v: 1, network, made_at, cohorts, dids });
  if (!read.ok) return read;
  return { ok: true, record: { recovery: read.recovery, evidence: evidenceIn(items) } };
}

function companionIn(items: readonly SavedItem[], address: string): RecoveryCompanion | undefined {
  let found: RecoveryCompanion | undefined;
  for (const item of items)
    if (item.t === 'companion' && item.at === address) {
      const { t: _, at: __, ...companion } = item;
      found = companion;
    }
  const heir = items.find(item => item.t === 'heir' && item.at === address);
  if (!found || heir?.t !== 'heir') return found;
  const { t: _, at: __, ...word } = heir;
  return { ...found, heir: word };
}

function grouped<T>(items: readonly SavedItem[], pick: (item: SavedItem) => [string, T] | null): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const found = pick(item);
    if (!found) continue;
    const group = groups.get(found[0]);
    if (group) group.push(found[1]);
    else groups.set(found[0], [found[1]]);
  }
  return groups;
}

function evidenceIn(items: readonly SavedItem[]): SavedEvidence[] {
  const proofs = new Map<
    string,
    Omit<SavedEvidence, 'evidence'> & { evidence: { proofs: Record<string, SmtProof> } }
  >();
  const maps: SavedEvidence[] = [];
  for (const item of items) {
    if (item.t !== 'map' && item.t !== 'proof') continue;
    const { at: beacon_address, signal_bytes } = item;
    if (item.t === 'map') {
      maps.push({ beacon_address, signal_bytes, evidence: { map: item.map } });
      continue;
    }
    const key = `${beacon_address} ${signal_bytes}`;
    const known = proofs.get(key) ?? { beacon_address, signal_bytes, evidence: { proofs: {} } };
    known.evidence.proofs[item.did] = item.proof;
    proofs.set(key, known);
  }
  return [...proofs.values(), ...maps];
}
