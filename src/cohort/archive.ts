import { toHex } from '../crypto/index.ts';
import { leafIndex } from '../smt/index.ts';
import { ARCHIVE_FORMAT, type ArchiveOf, type ArchiveRecord } from './archive-format.ts';
import type { Beacon, CohortState, Frozen, Signal } from './state.ts';

/**
 * All that it takes to prove the signals of a cohort for ever, without any key: who the members were, every leaf, every
 * update that is known, and every signal, those that an open session may still make among them. Null for a cohort that
 * was never formed: there is nothing to prove.
 */
export function* archiveRecords(
  state: CohortState,
  { advert_event, made_at }: Pick<ArchiveOf<'cohort'>, 'advert_event' | 'made_at'>,
): Generator<ArchiveRecord> {
  const { phase, advert } = state;
  if (phase.name !== 'formed') return;
  const { beacon } = phase;
  const { terms, terms_hash, identity } = advert;
  yield {
    record: 'cohort',
    format: ARCHIVE_FORMAT,
    v: 1,
    cohort: state.id,
    advert_event,
    terms,
    terms_hash,
    identity,
    beacon_address: beacon.address,
    script_pubkey: beacon.script_hex,
    participant_pubkeys: beacon.participant_pubkeys,
    signatures: beacon.participant_pubkeys.map(member => beacon.signatures.get(member)!),
    formed_at: beacon.formed_at,
    made_at,
  };
  const isBlind = terms.privacy === 'blinded';
  for (const did of beacon.leaves) {
    const held = beacon.registry.get(did);
    const index = isBlind ? did : toHex(leafIndex(did));
    yield { record: 'leaf', did, index, member: held?.member ?? null, proven: held?.proven ?? false };
  }
  for (const queue of beacon.updates.values())
    for (const { did, version, announcement, update, state: at } of queue)
      yield { record: 'update', did, version, announcement, update: update && { ...update }, state: at };
  for (const signal of beacon.signals) yield* signalRecords(signal);
  yield* openRecords(beacon);
}

function* signalRecords({ round, frozen, seen, txid, hex, steps }: Signal): Generator<ArchiveRecord> {
  const others = steps.flatMap(step => (step.hex !== null && step.txid !== txid ? [step.hex] : []));
  const mined = 'height' in seen ? seen : null;
  yield {
    ...bytesOf(round, frozen),
    status: seen.status,
    txid,
    height: mined?.height ?? null,
    block_hash: mined?.block_hash ?? null,
    transactions: [hex, ...others],
  };
  yield* blindedLeaves(round, frozen);
}

/** Its transaction may appear long after this archive was made. */
function* openRecords({ round }: Beacon): Generator<ArchiveRecord> {
  if (!round?.frozen || round.open.length === 0 || round.stage.name === 'announced') return;
  yield {
    ...bytesOf(round.number, round.frozen),
    status: 'open',
    txid: null,
    height: null,
    block_hash: null,
    transactions: [],
  };
  yield* blindedLeaves(round.number, round.frozen);
}

const bytesOf = (round: number, frozen: Frozen) => ({
  record: 'signal' as const,
  round,
  signal_bytes: frozen.signal_bytes,
  outpoint: frozen.outpoint,
  leaf_count: frozen.leaf_count,
  nonce_seed: frozen.blinded ? null : frozen.nonce_seed,
  opportunity_id: frozen.blinded?.opportunity_id ?? null,
  announcements: frozen.updates.map(({ did, version, announcement }) => ({ did, version, announcement })),
});

function* blindedLeaves(round: number, { blinded }: Frozen): Generator<ArchiveRecord> {
  for (const { index, leaf } of blinded?.leaves ?? []) yield { record: 'blinded_leaf', round, index, leaf };
}
