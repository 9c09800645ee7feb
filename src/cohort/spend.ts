import {
  addressToScript,
  BitcoinFormatError,
  buildSpend,
  chooseFee,
  outpointText,
  SPEND_VSIZE,
} from '../bitcoin/index.ts';
import { toHex } from '../crypto/index.ts';
import { NO_SIGNAL, type SpendPurpose, sessionId, toPlainText } from '../messages/index.ts';
import { accept, nothing } from './answer.ts';
import type { Decision, Effect, Env, Input } from './inputs.ts';
import { type AttemptEnd, deadlines, endAttempt, refundsFor, tell } from './rounds.ts';
import { advanceNonces, advanceSignatures, type Ceremony, finished } from './signing.ts';
import type { Beacon, CohortState, Outpoint, Session, SignedSpend, Spend, Step } from './state.ts';

type Asked = Extract<Input, { type: 'start_spend' }>;

interface Plan {
  outpoint: Outpoint;
  to: string;
  delayBlocks: number;
}

/**
 * The operator begins a spend that announces nothing. It never competes with a round: an attempt that is under way ends
 * first, and what was signed for it stays open until the chain settles it.
 */
export function decideStartSpend(state: CohortState, beacon: Beacon, asked: Asked, env: Env): Decision {
  if (beacon.keys_deleted.size > 0) return { drop: 'members have deleted their cohort keys: nothing can be signed' };
  if (beacon.spend) return { drop: `a ${beacon.spend.purpose} is being signed already` };
  const plan = planOf(state, beacon, asked, env);
  if (typeof plan === 'string') return { drop: plan };
  const step = stepOf(state, beacon, plan, env);
  if (typeof step === 'string') return { drop: step };
  if (completeAs(beacon, step.txid)) return { drop: `all members signed that very transaction already: ${step.txid}` };
  const { outpoint, to } = plan;
  const { purpose } = asked;
  const attempt = beacon.spends_begun + 1;
  const round = beacon.rounds_opened;
  const refunds = refundsFor(state, beacon, [step]);
  const session_id = toHex(
    sessionId({
      cohort: state.id,
      round,
      attempt,
      outpoint: outpointText(outpoint),
      transactions: [step, ...refunds].map(({ txid }) => txid),
      participant_pubkeys: beacon.participant_pubkeys,
      signal_bytes: NO_SIGNAL,
    }),
  );
  const request = { id: session_id, round, attempt, steps: [step] };
  const stopped =
    purpose === 'cancel' && beacon.round && 'deadline' in beacon.round.stage
      ? endAttempt(state, beacon, beacon.round, env, { reason: 'cancelled', text: 'the operator cancels this round' })
      : nothing;
  if ('drop' in stopped) return stopped;
  return accept(
    [
      ...stopped.events,
      {
        type: 'spend_requested',
        session_id,
        round,
        attempt,
        purpose,
        to,
        outpoint,
        steps: [step],
        ...(refunds.length > 0 ? { refunds } : {}),
        ...deadlines(state.advert.terms.latency.nonce, env),
      },
    ],
    ...stopped.effects,
    ...askSpend(state, beacon, { purpose, to }, request, beacon.participant_pubkeys),
  );
}

/** What is spent, and where it goes; or in words why there is nothing to spend so. */
function planOf(state: CohortState, beacon: Beacon, { purpose, to, outpoint }: Asked, env: Env): Plan | string {
  const { round } = beacon;
  const { refund } = state.advert.terms;
  switch (purpose) {
    case 'cancel':
      if (!round?.frozen || round.open.length === 0) return 'no session is open: there is nothing to cancel';
      if (round.stage.name === 'announced') return 'the signal is complete: its transaction can be sent by anybody';
      return { outpoint: round.frozen.outpoint, to: beacon.address, delayBlocks: 0 };
    case 'move': {
      if (round) return 'a round is under way';
      const destination = to ?? beacon.succession?.successor?.beacon_address ?? undefined;
      if (destination === undefined) return 'to which address? No successor is formed whose beacon it could be';
      const found = env.chain?.utxos.find(utxo => utxo.height !== null && isWorth(state, utxo.value_sats));
      if (!found) return 'the chain shows no confirmed output that is worth moving';
      const { txid, vout, value_sats } = found;
      return { outpoint: { txid, vout, value_sats }, to: destination, delayBlocks: 0 };
    }
    case 'refund':
      if (!refund) return 'these terms have no refund';
      if (!outpoint) return 'of which output?';
      return contradiction(env, outpoint) ?? { outpoint, to: refund.address, delayBlocks: refund.delay_blocks };
  }
}

/**
 * Why an output is none that a refund could give back, as far as the chain shows it: a signature is for one value alone, so
 * a slip of the pen makes a refund that no node takes. Of a deposit that was not sent yet nobody can say.
 */
function contradiction({ chain }: Env, outpoint: Outpoint): string | null {
  const { txid, vout, value_sats } = outpoint;
  const name = outpointText(outpoint);
  const there = chain?.utxos.find(utxo => utxo.txid === txid && utxo.vout === vout);
  if (there) return there.value_sats === value_sats ? null : `${name} holds ${there.value_sats} sat, not ${value_sats}`;
  if (chain?.history.some(({ inputs }) => inputs.includes(name))) return `${name} is spent already`;
  return chain?.history.some(tx => tx.txid === txid) ? `${name} is no output of the beacon` : null;
}

/** What costs more than the cap to move stays where it is. */
const isWorth = ({ advert }: CohortState, value_sats: number): boolean => value_sats > advert.terms.fee_cap;

function stepOf(state: CohortState, beacon: Beacon, { outpoint, to, delayBlocks }: Plan, env: Env): Step | string {
  const { fee_cap, btc_network } = state.advert.terms;
  const { feeSats } = chooseFee({ estimate: env.chain?.fee_rate ?? null, capSats: fee_cap, vsize: SPEND_VSIZE });
  try {
    const { psbt, unsignedHex, txid } = buildSpend({
      prevout: outpoint,
      scriptHex: beacon.script_hex,
      toHex: addressToScript(to, btc_network),
      feeSats,
      delayBlocks,
    });
    return { psbt, unsigned_hex: unsignedHex, txid, fee_sats: feeSats };
  } catch (error) {
    if (error instanceof BitcoinFormatError) return error.message;
    throw error;
  }
}

const askSpend = (
  state: CohortState,
  beacon: Beacon,
  { purpose, to }: Pick<Spend, 'purpose' | 'to'>,
  { id, round, attempt, steps }: Pick<Session, 'id' | 'round' | 'attempt' | 'steps'>,
  members: readonly string[],
): Effect[] =>
  tell(
    state,
    members,
    {
      type: 'authorize_spend_request',
      body: {
        session_id: id,
        beacon_address: beacon.address,
        round,
        attempt,
        purpose,
        to,
        pending_spend: steps.map(step => step.psbt),
      },
    },
    id,
  );

/** Signing a spend is signing a session, only that its end ends no round. */
export function spendCeremony(state: CohortState, beacon: Beacon, env: Env): Ceremony {
  const { spend, spends } = beacon;
  return {
    state,
    beacon,
    env,
    stage: spend?.stage ?? { name: 'waiting', retry_at: 0 },
    open: spends.map(({ session }) => session),
    ask: (session, members) => (spend ? askSpend(state, beacon, spend, session, members) : []),
    end: why => (spend ? endSpend(state, beacon, spend, why) : nothing),
  };
}

/** Whether a session is that of a spend. */
export const isOfSpend = ({ spend, spends }: Beacon, session_id: string): boolean =>
  spend?.stage.session.id === session_id || spends.some(({ session }) => session.id === session_id);

function endSpend(state: CohortState, beacon: Beacon, { stage, purpose }: Spend, why: AttemptEnd): Decision {
  const { session } = stage;
  const body = {
    session_id: session.id,
    round: session.round,
    attempt: session.attempt,
    reason: why.reason,
    text: toPlainText(`${purpose}: ${why.text}`, 1500),
    open: session.agg_nonce !== null,
    blame: why.blame ?? [],
    not_heard: why.not_heard ?? [],
    evidence: (why.evidence ?? []) as Record<string, unknown>[],
    ...(why.seats === undefined ? {} : { seats: why.seats }),
  };
  return accept(
    [{ type: 'spend_ended', reason: why.reason }],
    ...tell(state, beacon.participant_pubkeys, { type: 'round_aborted', body }, session.id),
  );
}

/** A spend that every member has signed, also after its ceremony was called off; else what is due in the one under way. */
export function advanceSpend(state: CohortState, beacon: Beacon, env: Env): Decision {
  const isWhole = ({ session, transaction }: SignedSpend): boolean =>
    transaction === null && beacon.participant_pubkeys.every(member => session.sigs.has(member));
  const whole = beacon.spends.find(isWhole);
  if (whole) return completeSpend(state, beacon, whole);
  if (!beacon.spend) return nothing;
  const { stage } = beacon.spend;
  const ceremony = spendCeremony(state, beacon, env);
  return stage.name === 'nonces' ? advanceNonces(ceremony, stage) : advanceSignatures(ceremony, stage);
}

const completeAs = ({ spends }: Beacon, txid: string): { txid: string; hex: string } | null =>
  spends.find(({ transaction }) => transaction?.txid === txid)?.transaction ?? null;

/** A refund is only handed out: it is for when the members have gone. */
const isPublished = (purpose: SpendPurpose): boolean => purpose !== 'refund';

function completeSpend(state: CohortState, beacon: Beacon, { session, purpose }: SignedSpend): Decision {
  const { transactions, refunds } = finished(beacon, session);
  // Two ceremonies of one transaction, both finished by a late signature: what was sent once is sent again as it was.
  const { txid, hex } = completeAs(beacon, transactions[0]!.txid) ?? transactions[0]!;
  const given = refunds.length > 0 ? { refunds } : {};
  const body = { session_id: session.id, beacon_address: beacon.address, purpose, txid, transactions: [hex], ...given };
  return accept(
    [{ type: 'spend_completed', session_id: session.id, txid, hex, ...given }],
    ...(isPublished(purpose) ? [{ type: 'broadcast', txid, hex } as const] : []),
    ...tell(state, beacon.participant_pubkeys, { type: 'spend_status', body }, session.id),
  );
}
