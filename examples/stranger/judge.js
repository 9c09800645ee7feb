// Whether to sign: the nine checks of a request. Nothing that the aggregator says is believed.
import { feesOf, readPsbt, signalTransaction } from './bitcoin.js';
import { hex, statement } from './bytes.js';
import { casVerified, smtVerified } from './did.js';

const DEPTH = 6;
const COINBASE = 101;
const veto = (code, text) => ({ code, text });
const later = (code, text, missing) => ({ code, text, missing, later: true });

/** Sessions that we signed, whose outpoint nothing has spent for good yet, and that this one is not a retry of. */
export function openSessions(state, { outpoint, signal_bytes }) {
  const same = s =>
    s.outpoint.txid === outpoint.txid && s.outpoint.vout === outpoint.vout && s.signal_bytes === signal_bytes;
  return Object.values(state.sessions).filter(s => s.phase === 'signed' && !same(s));
}

/**
 * A veto `{code, text}`; one that time may cure, with `later`, and with the DIDs of which evidence is `missing`;
 * or what there is to sign: `{outpoint, fees, evidence, announced}`, the latter two by DID.
 */
export async function judge({ advert, beacon, state, chain, envelope, now }) {
  const { terms, cohort } = advert;
  const { body, session, seq } = envelope;
  if (body.beacon_address !== beacon.address) return veto('wrong_address', 'another beacon');
  const psbts = body.pending_beacon_signal.map(psbt => Buffer.from(psbt, 'base64').toString('hex'));
  const hint = readPsbt(psbts[0]);
  if (!hint) return veto('psbt_invalid', 'not a PSBT of one input');

  let output;
  let uses;
  try {
    output = await chain.output(hint.txid, hint.vout);
    ({ uses } = await chain.history(beacon.script));
  } catch (error) {
    return later('no_chain_view', error.message);
  }
  const name = `${hint.txid}:${hint.vout}`;
  if (output === null) return later('outpoint_unknown', `${name} is not unspent`);
  if (output.script !== beacon.script) return veto('wrong_output_script', `${name} is not the beacon's`);
  if (output.confirmations < (output.coinbase ? COINBASE : DEPTH)) return later('outpoint_shallow', name);

  // 2 and 3: what these few numbers make is the whole of it, so a comparison of bytes leaves no room for more.
  const outpoint = { txid: hint.txid, vout: hint.vout, value: output.value };
  const first = output.value - hint.change;
  if (first < 0) return veto('outpoint_value', `${name} holds ${output.value} satoshis`);
  const fees = feesOf(first, terms.fee_ladder, terms.fee_cap);
  if (fees.length !== psbts.length) return veto('wrong_steps', `${fees.length} were agreed`);
  const steps = fees.map(fee => signalTransaction(beacon, outpoint, fee, body.signal_bytes));
  const odd = steps.findIndex((step, i) => psbts[i] !== step.psbt);
  if (odd >= 0 && !psbts[odd].includes(steps[odd].unsigned)) return veto('transaction_not_ours', 'not what was agreed');
  if (odd >= 0) return veto('psbt_invalid', 'more or less than the transaction and its witnessUtxo');
  const { round, attempt, signal_bytes } = body;
  const asked = {
    cohort,
    round,
    attempt,
    outpoint: name,
    transactions: steps.map(s => s.txid),
    participant_pubkeys: beacon.keys,
  };
  const id = hex(statement('session', { ...asked, signal_bytes }));
  if (id !== body.session_id || id !== session) return veto('wrong_session_id', 'not the hash of what is asked');
  if (fees.at(-1) > terms.fee_cap) return veto('fee_over_cap', `${fees.at(-1)} satoshis`);

  const signals = uses.filter(use => use.signal !== null);
  const times = signals.map(({ signal, time }) => {
    const ours = Object.values(state.sessions).find(s => s.signal_bytes === signal && s.signedAt);
    return Math.min(time, ours?.signedAt ?? time); // blocks may be slow; the aggregator counts from its broadcast
  });
  if (now < Math.max(0, ...times) + terms.frequency.min_interval * 0.9) return veto('too_soon', 'before min_interval');
  // A block may bring the end of it, and our node may be the slower one.
  if (openSessions(state, { outpoint, signal_bytes }).length > 0) return later('open_session', 'another is open');

  // 8: of every DID that lists this address, drafts too. 9 follows: this wallet announces by one beacon only, and
  // makes no second update of a version.
  const evidence = {};
  const announced = {};
  const missing = [];
  const before = seqOfAck =>
    seqOfAck !== null && seqOfAck !== undefined && seqOfAck < (state.firstSeq[signal_bytes] ?? seq);
  for (const one of state.dids) {
    const map = body.evidence.map;
    if ((terms.type === 'CASBeacon') !== (map !== undefined)) return veto('evidence_invalid', 'of the other kind');
    const proof = body.evidence.proofs?.[one.did] ?? one.evidence[signal_bytes]?.proof;
    if (!map && !proof) {
      missing.push(one.did);
      continue;
    }
    const holds = announcement =>
      map
        ? casVerified(map, one.did, announcement, signal_bytes)
        : smtVerified(proof, one.did, announcement, signal_bytes, terms.bit_order);
    const ours = one.pending?.announcement ?? null;
    const says = map ? Object.hasOwn(map, one.did) : proof.updateId !== undefined;
    if (says && ours === null) return veto('wrong_announcement', `${one.did} has no update`);
    // An update that was accepted before these bytes were made has to be in them; a later one waits.
    if (!says && ours !== null && before(one.pending.ackSeq))
      return veto('wrong_announcement', `the update of ${one.did} is missing`);
    if (!holds(says ? ours : null)) return veto('evidence_invalid', one.did);
    if (!map && one.phase === 'registered' && before(one.ackSeq) && proof.nonce === undefined)
      return veto('evidence_invalid', `${one.did} is registered and has no leaf`);
    evidence[one.did] = map ? { map } : { proof };
    announced[one.did] = says ? ours : null;
  }
  if (missing.length > 0) return later('evidence_missing', missing.join(' '), missing);
  return { outpoint, fees, evidence, announced };
}
