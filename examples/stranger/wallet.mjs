// A member of one push cohort over an SMT beacon, written from docs/PROTOCOL.md and docs/schemas alone. It holds one
// DID that never changes, and keeps everything in memory: an example, not a wallet to trust with a DID that matters.

import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { verifyEvent } from 'nostr-tools/pure';
import { didOfKey, drawNonce, isPoint, isSorted, keySet, readSignal, signPartially, verifyProof } from './beacon.mjs';
import { esplora } from './chain.mjs';
import { connect, fits, hex, newKey, now, open, seal, sign, statement, verify, wrap } from './wire.mjs';

const RESEND_MS = 2_000;

/** The terms of an advert event, checked; null for anything that is none. */
export function readAdvert(event) {
  if (event.kind !== 38252 || !verifyEvent(event)) return null;
  const terms = JSON.parse(event.content);
  const tag = name => event.tags.find(each => each[0] === name)?.[1];
  if (!fits('terms', terms) || tag('d') !== terms.id || tag('s') !== 'open') return null;
  if (terms.aggregator_did !== didOfKey(`02${event.pubkey}`, terms.btc_network)) return null;
  const terms_hash = hex(sha256(utf8ToBytes(event.content)));
  return { terms, terms_hash, identity: event.pubkey, cohort: tag('cohort') ?? event.id };
}

/** Joins the first open advert that it can serve. `onNews` is told of every step; the answer tells how to stop. */
export async function join({ relay: url, esplora: esploraUrl, onNews }) {
  const relay = await connect(url);
  const chain = esplora(esploraUrl);
  const [transport, cohortKey, didKey] = [newKey(), newKey(), newKey()];
  const offer = await new Promise(resolve => {
    relay.subscribe('adverts', { kinds: [38252], '#t': ['did-btcr2'], '#s': ['open'] }, event => {
      const advert = readAdvert(event);
      if (advert?.terms.type === 'SMTBeacon' && advert.terms.flow === 'push') resolve(advert);
    });
  });
  const { terms, terms_hash, identity, cohort } = offer;
  const network = terms.btc_network;
  const did = didOfKey(didKey.compressed, network);
  let seq = 0;
  let beacon = null;
  let set = null;
  let lastSignal = 0;
  /** Sent again, as the same event, until it is answered. */
  const waiting = new Map();
  const sessions = new Map();

  function send(type, body, { until, ...about } = {}) {
    const envelope = seal({ type, to: terms.transport_key, cohort, seq: seq++, body, ...about }, transport);
    const event = wrap(envelope, transport);
    relay.publish(event);
    if (until) waiting.set(until === 'reply' ? envelope.id : until, event);
    return event;
  }
  const timer = setInterval(() => {
    for (const event of waiting.values()) relay.publish(event);
  }, RESEND_MS);

  const setStatement = ({ participant_pubkeys, beacon_address }) =>
    statement('cohort_set', { aggregator: identity, network, terms_hash, participant_pubkeys, beacon_address });

  async function onSet({ body }) {
    const { participant_pubkeys: keys, beacon_address, attempt, advert_id } = body;
    if (beacon || (set && set.attempt >= attempt)) return;
    const own = keySet(keys, network);
    const { min, max } = terms.cohort_size;
    if (!keys.includes(cohortKey.compressed) || keys.length < min || keys.length > max || advert_id !== terms.id)
      return;
    if (!isSorted(keys) || own.address !== beacon_address || (await chain.hasHistory(beacon_address))) return;
    set = { ...body, own };
    const sig = sign(setStatement(body), cohortKey);
    send('cohort_set_ack', { beacon_address, attempt, sig }, { until: 'cohort_ready' });
  }

  function onReady({ body }) {
    const { participant_pubkeys: keys, beacon_address, signatures, challenge } = body;
    if (beacon || !set || set.beacon_address !== beacon_address || keys.join() !== set.participant_pubkeys.join())
      return;
    const hash = setStatement(body);
    if (signatures.length !== keys.length || !keys.every((key, i) => verify(hash, key.slice(2), signatures[i]))) return;
    beacon = { ...set.own, participant_pubkeys: keys };
    const content = { did, network, beacon_address, participant_pk: cohortKey.compressed, challenge };
    const proof = {
      verification_method: `${did}#initialKey`,
      sig: sign(statement('did_registration', content), didKey),
    };
    send(
      'did_registration',
      { beacon_address, participant_pk: cohortKey.compressed, did, proof, sidecar: {} },
      { until: 'reply' },
    );
    onNews({ step: 'ready', beacon_address, did });
  }

  /** The reason for a veto, or the session that may be signed. */
  async function judge(body) {
    const { session_id, beacon_address, round, attempt, signal_bytes, pending_beacon_signal: steps, evidence } = body;
    if (beacon_address !== beacon.address) return { code: 'wrong_address' };
    if (steps.length !== 1) return { code: 'wrong_steps' };
    const signal = readSignal(steps[0], beacon, signal_bytes);
    if (signal === null) return { code: 'transaction_not_ours' };
    if (signal.fee > BigInt(terms.fee_cap)) return { code: 'fee_over_cap' };
    const outpoint = `${signal.prevout.txid}:${signal.prevout.vout}`;
    const { participant_pubkeys } = beacon;
    const content = {
      cohort,
      round,
      attempt,
      outpoint,
      transactions: [signal.txid],
      participant_pubkeys,
      signal_bytes,
    };
    if (hex(statement('session', content)) !== session_id) return { code: 'wrong_session_id' };
    for (const open of sessions.values()) {
      if (!open.sig || (open.outpoint === outpoint && open.signal_bytes === signal_bytes)) continue;
      if ((await chain.spentDepth(open.prevout)) < 6) return { code: 'open_session' };
    }
    const unspent = await chain.unspent(beacon.address, signal.prevout);
    if (unspent === null) return { code: 'outpoint_unknown' };
    if (BigInt(unspent.value) !== signal.prevout.value) return { code: 'outpoint_value' };
    if (unspent.depth < unspent.needed) return { code: 'outpoint_shallow' };
    if (now() < lastSignal + terms.frequency.min_interval * 0.9) return { code: 'too_soon' };
    const proof = evidence.proofs?.[did];
    if (proof === undefined) return { code: 'evidence_missing' };
    if (proof.updateId !== undefined) return { code: 'wrong_announcement' };
    if (!verifyProof(proof, did, signal_bytes, null, terms.bit_order)) return { code: 'evidence_invalid' };
    return { ...signal, outpoint, signal_bytes, proof };
  }

  async function onRequest({ id, body }) {
    const { session_id, beacon_address } = body;
    const known = sessions.get(session_id);
    if (!beacon || known) {
      if (known?.event) relay.publish(known.event);
      return;
    }
    const judged = await judge(body);
    if (judged.code) {
      send(
        'veto',
        { session_id, code: judged.code, text: 'see docs/PROTOCOL.md' },
        { session: session_id, in_reply_to: id },
      );
      onNews({ step: 'veto', code: judged.code });
      return;
    }
    const nonce = drawNonce(cohortKey, beacon, judged.sighash);
    const session = { ...judged, nonce };
    sessions.set(session_id, session);
    session.event = send(
      'nonce',
      { session_id, beacon_address, nonce_points: [nonce.points] },
      { session: session_id, until: session_id },
    );
  }

  function onAggregatedNonce({ body }) {
    const { session_id, beacon_address, agg_nonce } = body;
    const session = sessions.get(session_id);
    if (!session) {
      send('nonce_lost', { session_id }, { session: session_id });
      return;
    }
    if (session.sig) {
      relay.publish(session.event);
      return;
    }
    const isInfinity = point => point === '00'.repeat(33);
    if (agg_nonce.length !== 1 || !agg_nonce[0].every(point => isInfinity(point) || isPoint(point))) return;
    const { secret } = session.nonce;
    session.nonce = null;
    session.sig = signPartially(cohortKey, beacon, session.sighash, secret, agg_nonce[0]);
    lastSignal = now();
    session.event = send(
      'signal_authorization',
      { session_id, beacon_address, agg_nonce, sig: [session.sig] },
      { session: session_id, until: session_id },
    );
    onNews({ step: 'signed', txid: session.txid });
  }

  function onStatus({ body }) {
    const session = sessions.get(body.session_id);
    if (session?.sig && body.txid === session.txid)
      onNews({ step: body.status, txid: body.txid, proof: session.proof });
  }

  function onPresence({ body }) {
    if (body.beacon_address === beacon?.address) send('presence_ack', body);
  }

  const handlers = {
    cohort_set: onSet,
    cohort_ready: onReady,
    presence: onPresence,
    authorize_beacon_signal_request: onRequest,
    aggregated_nonce: onAggregatedNonce,
    signal_status: onStatus,
    ack: ({ body }) => onNews({ step: `ack ${body.accepted}`, proven: body.proven }),
    rejection: ({ body }) => onNews({ step: 'rejection', ...body }),
    round_aborted: ({ body }) => onNews({ step: 'aborted', reason: body.reason, text: body.text }),
  };
  const seen = new Set();
  let queue = Promise.resolve();
  relay.subscribe('mail', { kinds: [8252], '#p': [transport.x] }, event => {
    const envelope = open(event, transport);
    if (!envelope || envelope.from !== terms.transport_key || envelope.cohort !== cohort || seen.has(event.id)) return;
    seen.add(event.id);
    waiting.delete(envelope.in_reply_to);
    waiting.delete(envelope.type);
    if (envelope.type !== 'authorize_beacon_signal_request') waiting.delete(envelope.session);
    queue = queue
      .then(() => handlers[envelope.type]?.(envelope))
      .catch(error => onNews({ step: 'failed', text: String(error) }));
  });

  const content = { aggregator: identity, network, terms_hash, transport_key: transport.x };
  send(
    'opt_in',
    {
      advert_id: terms.id,
      terms_hash,
      participant_pubkey: cohortKey.compressed,
      return_interact: 'the relay that you read',
      proof: sign(statement('opt_in', content), cohortKey),
    },
    { until: 'reply' },
  );
  return {
    cohort,
    did,
    stop() {
      clearInterval(timer);
      relay.close();
    },
  };
}
