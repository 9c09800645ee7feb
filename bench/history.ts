import { buildAggregate, withAggregate } from '../src/cohort/evidence.ts';
import { type CohortEvent, type CohortState, evolve, type Stored } from '../src/cohort/index.ts';
import { signalEntries } from '../src/cohort/leaves.ts';
import type { Frozen } from '../src/cohort/state.ts';
import { sha256, toHex, utf8 } from '../src/crypto/index.ts';
import type { Terms } from '../src/messages/index.ts';
import { leafIndex } from '../src/smt/index.ts';

export interface HistoryOptions {
  cohort: string;
  terms: Terms;
  /** Cohort keys; each has a transport key made from it. */
  members: readonly string[];
  address: string;
  script_hex: string;
  /** Registered before the first signal, spread over the members. */
  dids: readonly string[];
  signals: number;
  /** DIDs that have an update in each signal. */
  updates: number;
  /** Unix seconds of the first event; signals come a week apart. */
  start: number;
}

const WEEK = 604_800;
const draw = (...label: (string | number)[]): string => toHex(sha256(utf8(label.join('/'))));

/** The log of a cohort that has been at work for `signals` weeks, as `evolve` takes it, and what is folded of it. */
export function writeHistory(options: HistoryOptions, note: (event: Stored<CohortEvent>) => void): CohortState {
  const { cohort, terms, members, address, script_hex, dids, start } = options;
  let state: CohortState | null = null;
  let at = start;
  const add = (event: CohortEvent): void => {
    const stored = { ...event, at };
    note(stored);
    state = evolve(state, stored);
  };
  const deadline = start + 100 * WEEK;
  const identity = draw(cohort, 'identity');
  add({ type: 'advert_created', cohort, terms, terms_hash: draw(cohort, 'terms'), identity, expires_at: deadline });
  for (const participant_pk of members)
    add({
      type: 'seat_taken',
      participant_pk,
      transport: draw(participant_pk),
      return_interact: 'nostr:bench',
      proof: draw(participant_pk).repeat(2),
    });
  const set = { participant_pubkeys: [...members], beacon_address: address, script_hex };
  add({ type: 'set_proposed', attempt: 1, ...set, deadline, remind_at: deadline });
  for (const participant_pk of members)
    add({ type: 'set_signed', participant_pk, sig: draw(participant_pk).repeat(2) });
  add({ type: 'cohort_formed', challenge: draw(cohort, 'challenge') });
  dids.forEach((did, i) => {
    const member = members[i % members.length]!;
    const index = toHex(leafIndex(did));
    add({
      type: 'did_registered',
      request_id: draw(did),
      did,
      index,
      member,
      proven: true,
      known: null,
      deactivated: false,
    });
  });

  for (let number = 1; number <= options.signals; number++) {
    at = start + number * WEEK;
    const updated =
      dids.length === 0
        ? []
        : Array.from({ length: options.updates }, (_, i) => dids[(number * 7_919 + i) % dids.length]!);
    const drawn: Omit<Frozen, 'signal_bytes' | 'crown'> = {
      outpoint: { txid: draw(cohort, 'tx', number - 1), vout: 0, value_sats: 100_000 },
      leaf_count: dids.length,
      nonce_seed: draw(cohort, 'seed', number),
      updates: updated.map(did => ({ did, announcement: draw(did, number), version: number + 1 })),
    };
    const current: CohortState = state!;
    const beacon = current.phase.name === 'formed' ? current.phase.beacon : null;
    const frozen = withAggregate(drawn, buildAggregate(terms, signalEntries(beacon!.leaves, drawn)));
    const session_id = draw(cohort, 'session', number);
    const txid = draw(cohort, 'tx', number);
    const hex = draw(cohort, 'hex', number);
    const steps = [{ psbt: 'cHNidA==', unsigned_hex: hex, txid, fee_sats: 300 }];
    add({ type: 'round_opened', round: number, deadline, remind_at: deadline });
    add({ type: 'session_requested', session_id, attempt: 1, frozen, steps, deadline, remind_at: deadline });
    const agg_nonce: [string, string][] = [[`02${draw('R1')}`, `02${draw('R2')}`]];
    add({ type: 'nonces_aggregated', session_id, agg_nonce, deadline, remind_at: deadline });
    add({ type: 'signal_completed', session_id, txid, transactions: [{ txid, hex }], height: null });
    const seen = {
      status: 'final',
      height: 1_000 + number,
      block_hash: draw('block', number),
      confirmations: 6,
    } as const;
    add({ type: 'signal_seen', txid, seen, height: seen.height });
    add({ type: 'round_closed', outcome: 'announced' });
  }
  return state!;
}
