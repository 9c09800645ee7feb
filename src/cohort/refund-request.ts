import { outpointText } from '../bitcoin/index.ts';
import type { Envelope } from '../messages/index.ts';
import { accept, refuse, reply } from './answer.ts';
import type { Decision, Env } from './inputs.ts';
import { decideStartSpend } from './spend.ts';
import type { Beacon, CohortState } from './state.ts';

/** Attempts for one output: a member that lets them fail holds rounds up no longer than by its silence in one. */
const TRIES = 3;

/**
 * A member wants the refund of an output that lies at the beacon, such as a deposit that no round has spent. It is signed
 * in a ceremony like any, which rounds wait for: so only of what the chain shows, is worth it, and has no refund yet, a few
 * times, and never in the midst of a round.
 */
export function decideRefundRequest(
  state: CohortState,
  beacon: Beacon,
  envelope: Extract<Envelope, { type: 'refund_request' }>,
  env: Env,
): Decision {
  const { beacon_address, outpoint } = envelope.body;
  const { txid, vout, value_sats } = outpoint;
  const { refund, fee_cap } = state.advert.terms;
  if (beacon_address !== beacon.address)
    return refuse(envelope, 'wrong_address', `this cohort's beacon is ${beacon.address}`, 'body.beacon_address');
  if (!refund) return refuse(envelope, 'not_available', 'these terms have no refund');
  const isSame = (other: { txid: string; vout: number }): boolean => other.txid === txid && other.vout === vout;
  const there = env.chain?.utxos.find(isSame);
  const at = 'body.outpoint';
  if (there?.value_sats !== value_sats || there.height === null)
    return refuse(
      envelope,
      'not_available',
      'the chain shows no such output at the beacon, in a block: ask again if it is new',
      at,
    );
  if (value_sats <= fee_cap)
    return refuse(envelope, 'not_available', `an output of ${fee_cap} sat and less is not worth a refund`, at);
  const isSigned = beacon.spends.some(
    ({ purpose, session, transaction }) => purpose === 'refund' && transaction !== null && isSame(session.outpoint),
  );
  const done = reply(envelope, { type: 'ack', body: { accepted: 'refund_request' } });
  const { spend } = beacon;
  const isUnderWay = spend?.purpose === 'refund' && isSame(spend.stage.session.outpoint);
  if (isSigned || isUnderWay) return accept([], done);
  if ((beacon.refunds_begun.get(outpointText(outpoint)) ?? 0) >= TRIES)
    return refuse(envelope, 'not_available', `it was tried ${TRIES} times: only the operator begins it again`, at);
  if (beacon.round && beacon.round.stage.name !== 'announced')
    return refuse(envelope, 'wrong_phase', 'a round is under way: ask when it has ended');
  const begun = decideStartSpend(state, beacon, { type: 'start_spend', purpose: 'refund', outpoint }, env);
  return 'drop' in begun ? refuse(envelope, 'not_available', begun.drop) : accept(begun.events, done, ...begun.effects);
}
