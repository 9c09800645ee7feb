// One member of one cohort: what it answers to each message, and what it does by itself as time goes on.
import { nip19 } from 'nostr-tools';
import {
  beaconOf,
  ChainError,
  freshNonce,
  partialSign,
  signalTransaction,
  signedRight,
  singleAddress,
} from './bitcoin.js';
import { jcs, sign, statement, verified } from './bytes.js';
import {
  announcementOf,
  casVerified,
  createDid,
  publicKey,
  resolved,
  sidecarOf,
  signUpdate,
  smtVerified,
} from './did.js';
import { reader, sealEnvelope, wrap } from './envelope.js';
import { judge, openSessions } from './judge.js';

const LATER = Symbol('a message to be looked at again');
const DEPTH = 6;
const DAY = 86400;

/**
 * `state` is what must not be lost and `save` puts it on the disk; nothing is published before that. `chain` is the
 * member's own view; `publish` offers an event to relays; `tell` reports to people; `writeSidecar(did, sidecar)`.
 */
export function member({ advert, state, save, chain, publish, writeSidecar, patch, now, tell: report }) {
  const { terms, cohort, aggregator, termsHash } = advert;
  const self = publicKey(state.keys.transport).slice(2);
  const me = publicKey(state.keys.cohort);
  const read = reader(state.keys.transport, self, terms.transport_key);
  const common = { aggregator, network: terms.btc_network, terms_hash: termsHash };
  const told = [];
  const tell = (event, data = {}) => told.push([event, data]); // reported when it is on the disk
  const nonces = new Map(); // session -> secret nonce: in memory only, and taken out before it signs
  let formed;
  const beacon = () => {
    formed ??= beaconOf(state.set, terms.btc_network);
    return formed;
  };

  // ---- sending: first to the disk, then to the relays, and again until it is answered

  const send = (type, body, { session, re } = {}) => {
    const fields = { type, from: self, to: terms.transport_key, cohort, session, in_reply_to: re, body };
    const envelope = sealEnvelope({ ...fields, seq: state.seq++, created_at: now() }, state.keys.transport);
    const event = wrap(envelope, state.keys.transport, now());
    state.outbox.push({ envelope, event, open: true, due: 0, wait: 10 });
    return envelope;
  };
  const sent = (type, test = () => true) => state.outbox.findLast(o => o.envelope.type === type && test(o.envelope));
  const again = item => Object.assign(item, { open: true, due: 0 });
  const answered = test => {
    for (const item of state.outbox) if (test(item.envelope)) item.open = false;
  };
  const flush = () => {
    save();
    for (const [event, data] of told.splice(0)) report(event, data);
    for (const item of state.outbox.filter(o => o.open && o.due <= now())) {
      publish(item.event);
      item.due = now() + item.wait;
      item.wait = Math.min(item.wait * 2, 120);
      if (item.envelope.type === 'presence_ack') item.open = false; // nobody answers it
    }
  };

  // ---- what each message does: nothing, twice; or LATER, when the chain has to say something first

  const handlers = {
    async ack({ body, in_reply_to, seq }) {
      const request = state.outbox.find(o => o.envelope.id === in_reply_to)?.envelope;
      if (!request) return;
      answered(e => e.id === in_reply_to);
      if (body.accepted === 'opt_in' && state.phase === 'asked') state.phase = 'seated';
      if (body.accepted === 'leave') state.phase = 'ended';
      const one = state.dids.find(d => d.did === (body.did ?? request.body.did));
      if (body.accepted === 'did_registration' && one) {
        Object.assign(one, { phase: 'registered', ackSeq: one.ackSeq ?? seq, proven: body.proven });
        keepEvidence(one, body.signals);
        tell('registered', { did: one.did, proven: body.proven });
      }
      if (body.accepted === 'did_update' && one?.pending?.announcement === body.announcement)
        one.pending.ackSeq ??= seq;
      if (body.accepted === 'update_response')
        for (const d of state.dids) if (body.announcements.includes(d.pending?.announcement)) d.pending.ackSeq ??= seq;
    },

    async rejection({ body, in_reply_to }) {
      const request = state.outbox.find(o => o.envelope.id === in_reply_to)?.envelope;
      answered(e => e.id === in_reply_to);
      tell('rejected', { ...body, request: request?.type ?? null });
      if (body.code === 'seat_dropped' || body.code === 'advert_closed' || request?.type === 'opt_in') {
        if (state.phase !== 'ready') state.phase = 'ended'; // a formed cohort is never left
      }
      const one = state.dids.find(d => d.did === (request ? request.body.did : body.field));
      if (one && body.code === 'did_taken') one.phase = 'taken';
      else if (one && request?.type === 'did_registration') one.phase = 'refused';
      // `version_taken` says that our update of it is frozen already: it stays as it is, byte for byte.
      if (one && request?.type === 'did_update' && body.code !== 'version_taken') one.pending = null;
      if (request?.type === 'nonce') lose(request.session);
    },

    async cohort_set({ body, id }) {
      if (state.phase === 'ready' || state.phase === 'ended') return;
      const earlier = state.sets[body.attempt];
      const ours = sent('cohort_set_ack', e => e.body.attempt === body.attempt);
      if (earlier && ours && earlier.join() === body.participant_pubkeys.join()) return void again(ours);
      const set = beaconOf(body.participant_pubkeys, terms.btc_network);
      const { min, max } = terms.cohort_size;
      const wrong =
        (earlier && 'a second set under one attempt') ||
        (body.advert_id !== terms.id && 'another advert') ||
        (set.keys.join() !== body.participant_pubkeys.join() && 'keys that are not sorted') ||
        (new Set(set.keys).size !== set.keys.length && 'one key twice') ||
        (!set.keys.includes(me) && 'a set without us') ||
        ((set.keys.length < min || set.keys.length > max) && 'another size than offered') ||
        (set.address !== body.beacon_address && 'an address that is not of these keys') ||
        ((await chain.history(set.script)).uses.length > 0 && 'an address with a history') ||
        null;
      if (wrong) return tell('set refused', { wrong }); // no message for it: silence costs the seat, as it should
      state.sets[body.attempt] = set.keys;
      state.phase = 'proposed';
      answered(e => e.type === 'cohort_set_ack');
      const content = { ...common, participant_pubkeys: set.keys, beacon_address: set.address };
      const sig = sign(statement('cohort_set', content), state.keys.cohort);
      send('cohort_set_ack', { beacon_address: set.address, attempt: body.attempt, sig }, { re: id });
    },

    async cohort_ready({ body }) {
      if (state.phase !== 'proposed') return;
      const signed = Object.values(state.sets).some(set => set.join() === body.participant_pubkeys.join());
      const set = beaconOf(body.participant_pubkeys, terms.btc_network);
      const content = { ...common, participant_pubkeys: set.keys, beacon_address: set.address };
      const hash = statement('cohort_set', content);
      const all =
        body.signatures.length === set.keys.length && set.keys.every((k, i) => verified(body.signatures[i], hash, k));
      if (!signed || !all || body.beacon_address !== set.address) return tell('ready refused', {});
      Object.assign(state, { phase: 'ready', set: set.keys, challenge: body.challenge });
      answered(e => e.type === 'cohort_set_ack');
      tell('ready', { address: set.address });
    },

    async presence({ body, id }) {
      if (state.phase !== 'ready' || body.beacon_address !== beacon().address) return;
      answered(e => ['veto', 'nonce_lost'].includes(e.type));
      send('presence_ack', body, { re: id });
    },

    async update_opportunity({ body, id }) {
      if (state.phase !== 'ready' || body.beacon_address !== beacon().address) return;
      const { beacon_address, opportunity_id } = body;
      const ours = sent('update_response', e => e.body.opportunity_id === opportunity_id);
      if (ours) return void again(ours);
      const entries = state.dids
        .filter(d => d.phase === 'registered')
        .map(d => (d.pending ? { did: d.did, invocation: d.pending.update } : { did: d.did, none: true }));
      const wants_signal = entries.some(entry => entry.invocation);
      send('update_response', { beacon_address, opportunity_id, wants_signal, entries }, { re: id });
    },

    async authorize_beacon_signal_request(envelope) {
      const { body, id, seq } = envelope;
      if (state.phase !== 'ready') return;
      if (state.sessions[body.session_id]) {
        const ours =
          sent('nonce', e => e.session === body.session_id) ?? sent('veto', e => e.session === body.session_id);
        return ours && void again(ours);
      }
      state.waiting[id] ??= now();
      state.firstSeq[body.signal_bytes] ??= seq;
      const verdict = await judge({ advert, beacon: beacon(), state, chain, envelope, now: now() });
      const patient = verdict.later && now() < state.waiting[id] + Math.min(120, terms.latency.nonce / 2);
      for (const did of verdict.missing ?? []) askEvidence(did, body.session_id);
      if (patient) return LATER;
      delete state.waiting[id];
      if (verdict.code) return refuse(body.session_id, verdict, id);
      for (const other of Object.values(state.sessions)) if (other.phase === 'nonce_sent') lose(other.session_id);
      for (const [did, item] of Object.entries(verdict.evidence))
        state.dids.find(d => d.did === did).evidence[body.signal_bytes] = item;
      const { outpoint, fees, announced } = verdict;
      state.sessions[body.session_id] = { ...body, evidence: null, phase: 'nonce_sent', outpoint, fees, announced };
      const drawn = stepsOf(body.session_id).map(tx => freshNonce(state.keys.cohort, me, beacon(), tx.sighash));
      nonces.set(
        body.session_id,
        drawn.map(nonce => nonce.secretNonce),
      );
      const { session_id, beacon_address } = body;
      const nonce_points = drawn.map(nonce => nonce.points);
      send('nonce', { session_id, beacon_address, nonce_points }, { session: session_id });
      tell('checked', { session_id, fees, announced });
    },

    async aggregated_nonce({ body }) {
      const session = state.sessions[body.session_id];
      const at = { session: body.session_id };
      if (session?.phase === 'signed') {
        if (JSON.stringify(session.agg) !== JSON.stringify(body.agg_nonce))
          return tell('a second aggregated nonce', at);
        return void again(sent('signal_authorization', e => e.session === body.session_id));
      }
      if (session?.phase !== 'nonce_sent') return;
      answered(e => e.type === 'nonce' && e.session === body.session_id);
      const secrets = nonces.get(body.session_id);
      nonces.delete(body.session_id);
      // Checks 7 to 9 once more: a DID may have been made, or another session signed, since the nonce left.
      const bare = state.dids.find(d => !d.evidence[session.signal_bytes]);
      if (bare) return refuse(body.session_id, { code: 'evidence_missing', text: bare.did });
      if (openSessions(state, session).length > 0) return refuse(body.session_id, { code: 'open_session', text: '' });
      let sig = null;
      try {
        const steps = stepsOf(body.session_id);
        const { cohort } = state.keys;
        if (secrets && steps.length === body.agg_nonce.length)
          sig = steps.map((tx, i) => partialSign(secrets[i], cohort, beacon(), body.agg_nonce[i], tx.sighash));
      } catch {} // no point on the curve: it ends as any other nonce that cannot be used
      if (sig === null) return lose(body.session_id, true);
      Object.assign(session, { phase: 'signed', agg: body.agg_nonce, signedAt: now() });
      const { session_id, beacon_address } = session;
      send('signal_authorization', { session_id, beacon_address, agg_nonce: body.agg_nonce, sig }, at);
      tell('signed', { session_id, signal_bytes: session.signal_bytes });
    },

    async signal_status({ body }) {
      const session = state.sessions[body.session_id];
      if (!session?.outpoint) return;
      const step = stepsOf(body.session_id).find(tx => tx.txid === body.txid);
      const final = step && body.transactions.find(transaction => signedRight(transaction, step, beacon()));
      if (!final) return; // nothing that verifies: only a hint to look, which we do anyway
      session.final = final;
      answered(e => e.type === 'signal_authorization' && e.session === body.session_id);
      tell('status', { status: body.status, txid: body.txid });
    },

    async round_aborted({ body }) {
      tell('aborted', { reason: body.reason, text: body.text, open: body.open });
      answered(e => ['veto', 'nonce_lost', 'nonce'].includes(e.type) && e.session === body.session_id);
      if (!body.open && body.session_id) lose(body.session_id);
    },

    async proofs({ body, in_reply_to }) {
      answered(e => e.id === in_reply_to);
      const one = state.dids.find(d => d.did === body.did);
      if (one) keepEvidence(one, body.signals);
    },
  };

  // ---- helpers of the handlers

  const stepsOf = id => {
    const { outpoint, fees, signal_bytes } = state.sessions[id];
    return fees.map(fee => signalTransaction(beacon(), outpoint, fee, signal_bytes));
  };

  const refuse = (session_id, { code, text }, re) => {
    nonces.delete(session_id);
    state.sessions[session_id] = { session_id, phase: 'vetoed' };
    send('veto', { session_id, code, text }, { session: session_id, re });
    tell('vetoed', { session_id, code, text });
  };

  /** A session that is over without our signature; its secret nonce is gone, so it never signs. */
  const lose = (id, say = false) => {
    nonces.delete(id);
    const session = state.sessions[id];
    if (session?.phase !== 'nonce_sent') return;
    session.phase = 'lost';
    answered(e => e.type === 'nonce' && e.session === id);
    if (say) send('nonce_lost', { session_id: id }, { session: id });
  };

  /** Keeps proofs of signals that are past, or that were frozen before the DID came: only those that verify. */
  const keepEvidence = (one, signals) => {
    for (const { signal_bytes, evidence } of signals) {
      if (one.evidence[signal_bytes] || !evidence) continue;
      const proof = evidence.proofs?.[one.did];
      const right = [null, one.pending?.announcement ?? null].some(announcement =>
        evidence.map
          ? casVerified(evidence.map, one.did, announcement, signal_bytes)
          : proof && smtVerified(proof, one.did, announcement, signal_bytes, terms.bit_order),
      );
      if (right) one.evidence[signal_bytes] = proof ? { proof } : { map: evidence.map };
      else tell('proof refused', { did: one.did, signal_bytes });
    }
  };

  const askEvidence = (did, session_id) => {
    const last = sent('proof_request', e => e.body.did === did && e.body.session_id === session_id);
    if (last && (session_id || last.created_at > now() - 60)) return;
    send('proof_request', { beacon_address: beacon().address, did, ...(session_id ? { session_id } : {}) });
  };

  // ---- what the member does by itself

  const goals = async () => {
    if (state.phase === 'new') {
      const statementOfOptIn = statement('opt_in', { ...common, transport_key: self });
      const return_interact = `nostr:${nip19.nprofileEncode({ pubkey: self, relays: state.relays })}`;
      const body = { advert_id: terms.id, terms_hash: termsHash, participant_pubkey: me, return_interact };
      const admission = state.invite ? { admission: { invite: state.invite } } : {};
      send('opt_in', { ...body, proof: sign(statementOfOptIn, state.keys.cohort), ...admission });
      state.phase = 'asked';
    }
    if (state.phase !== 'ready') return;
    if (state.dids.length === 0) register();
    const { height, uses } = await chain.history(beacon().script);
    settle(height, uses);
    const one = state.dids[0];
    const gaps = uses.filter(use => use.signal && !one.evidence[use.signal]);
    if (one.phase !== 'registered') return;
    if (gaps.length > 0) return askEvidence(one.did); // not in use before the beacon's whole history is proven
    await publishFinal(uses);
    if (patch && !one.pending && !one.updates.some(u => jcs(u.patch) === jcs(patch))) update(one);
  };

  const register = () => {
    const secret = state.keys.did;
    const beacons = [
      ['beacon', terms.type, beacon().address],
      ['singleton', 'SingletonBeacon', singleAddress(publicKey(secret), terms.btc_network)],
    ];
    const { did, genesis } = createDid(secret, terms.btc_network, beacons);
    const { address } = beacon();
    const claim = {
      did,
      network: terms.btc_network,
      beacon_address: address,
      participant_pk: me,
      challenge: state.challenge,
    };
    const proof = { verification_method: `${did}#key-0`, sig: sign(statement('did_registration', claim), secret) };
    state.dids.push({ did, genesis, phase: 'draft', updates: [], pending: null, evidence: {} });
    const sidecar = { genesisDocument: genesis };
    send('did_registration', { beacon_address: address, participant_pk: me, did, proof, sidecar });
  };

  const update = one => {
    const key = publicKey(state.keys.did);
    const { document, version } = resolved(one.did, one.genesis, one.updates, key);
    const signed = signUpdate(document, version, patch, state.keys.did);
    resolved(one.did, one.genesis, [...one.updates, signed], key); // throws rather than let a wrong update leave
    one.pending = { update: signed, announcement: announcementOf(signed), ackSeq: null };
    const body = { beacon_address: beacon().address, participant_pk: me, did: one.did, invocation: signed };
    if (terms.flow === 'push') send('did_update', body); // pull: it goes into the answer to an opportunity
    tell('update', { did: one.did, announcement: one.pending.announcement });
  };

  /** Sessions end by what spends their outpoint, six deep, and by nothing that anybody says. */
  const settle = (height, uses) => {
    let settled = false;
    for (const session of Object.values(state.sessions).filter(s => s.phase === 'signed')) {
      const { txid, vout } = session.outpoint;
      const use = uses.find(u => u.outpoints.includes(`${txid}:${vout}`));
      if (!use || height - use.height + 1 < DEPTH) continue;
      session.phase = use.signal === session.signal_bytes ? 'settled' : 'closed';
      answered(e => e.session === session.session_id);
      tell(session.phase, { session_id: session.session_id, txid: use.txid });
      if (session.phase === 'closed') continue; // what was frozen is announced again, byte for byte
      settled = true;
      for (const one of state.dids.filter(d => d.pending && session.announced[d.did] === d.pending.announcement)) {
        one.updates.push(one.pending.update);
        one.pending = null;
      }
    }
    for (const { did, genesis, updates, evidence } of settled ? state.dids : [])
      writeSidecar(
        did,
        sidecarOf(
          genesis,
          updates,
          uses.flatMap(use => evidence[use.signal] ?? []),
        ),
      );
  };

  /** Any member may publish a signal that all have signed, and should when it sees none. */
  const publishFinal = async uses => {
    for (const { phase, final, session_id } of Object.values(state.sessions)) {
      if (phase !== 'signed' || !final) continue;
      const ids = stepsOf(session_id).map(tx => tx.txid);
      if (uses.some(use => ids.includes(use.txid)) || (await chain.inMempool(ids))) continue;
      await chain.broadcast(final).catch(error => tell('broadcast failed', { text: error.message }));
    }
  };

  // ---- one thing at a time: messages in the order of seq, then goals, then what is due

  let turn = Promise.resolve();
  const work = () => {
    turn = turn
      .then(async () => {
        for (const envelope of [...state.inbox].sort((a, b) => a.seq - b.seq)) {
          const outcome = await handlers[envelope.type]?.(envelope).catch(error => {
            if (error instanceof ChainError) return LATER;
            tell('dropped', { type: envelope.type, text: error.message }); // what makes us stumble must not hold up the rest
          });
          if (outcome === LATER) continue;
          state.inbox.splice(state.inbox.indexOf(envelope), 1);
          state.seen[envelope.id] = envelope.type;
          flush();
        }
        await goals();
        flush();
      })
      .catch(error => report('will try again', { text: error.message }));
    return turn;
  };

  for (const session of Object.values(state.sessions))
    if (session.phase === 'nonce_sent') lose(session.session_id, true);

  return {
    self,
    work,
    /** What to ask relays for: since the last message, with a day to spare. */
    filter: () => ({
      kinds: [8252],
      '#p': [self],
      authors: [terms.transport_key],
      since: Math.max(0, state.cursor - DAY),
    }),
    /**
     * Takes events; the messages in them wait in the inbox until they are done. One that is done already and comes
     * again gets the same answer again, but not when it comes out of a relay's store: there it comes at every start.
     */
    take: (events, stored) => {
      for (const event of events) {
        const envelope = read(event, now());
        if (envelope?.cohort !== cohort || state.inbox.some(e => e.id === envelope.id)) continue;
        state.cursor = Math.max(state.cursor, event.created_at);
        const answer = state.outbox.find(o => o.envelope.in_reply_to === envelope.id);
        if (!state.seen[envelope.id]) state.inbox.push(envelope);
        else if (answer && !stored) publish(answer.event);
      }
      return work();
    },
  };
}
