// Signed envelopes, and the kind 8252 events (NIP-44 v2) that carry them.
import { hmac } from '@noble/hashes/hmac.js';
import { nip44 } from 'nostr-tools';
import { finalizeEvent, verifyEvent } from 'nostr-tools/pure';
import { b64u, concat, hex, jcs, sha256, sign, tagged, unhex, utf8, verified } from './bytes.js';
import { misfit } from './schema.js';

const H = value => tagged('did:btcr2/aggregation/envelope', utf8(jcs(value)));
const MONTH = 30 * 86400;

/** Signs an envelope: `fields` are all but `v`, `id` and `sig`; absent ones are left out. */
export function sealEnvelope(fields, secret) {
  const { type, from, to, cohort, session, in_reply_to, seq, created_at, body } = fields;
  const bare = { v: 1, type, from, to, cohort, session, in_reply_to, seq, created_at, body };
  for (const key of Object.keys(bare)) if (bare[key] === undefined) delete bare[key];
  const withId = { ...bare, id: hex(H(bare)) };
  return { ...withId, sig: sign(H(withId), secret) };
}

/** The envelope in a text if its header, id, signature and body are right, else null. */
export function openEnvelope(text) {
  if (text.length > 4_000_000) return null;
  try {
    const envelope = JSON.parse(text);
    const { sig, ...signed } = envelope;
    const { id, ...bare } = signed;
    if (misfit('envelope', envelope) || id !== hex(H(bare)) || !verified(sig, H(signed), envelope.from)) return null;
    return misfit(envelope.type, envelope.body) ? null : envelope;
  } catch {
    return null;
  }
}

/** The signed event that carries an envelope. What a member sends is short: only its reader knows chunks. */
export function wrap(envelope, secret, now) {
  const key = nip44.v2.utils.getConversationKey(unhex(secret), envelope.to);
  const tag = hex(hmac(sha256, key, utf8(envelope.session ?? envelope.cohort)));
  const tags = [
    ['p', envelope.to],
    ['s', tag],
    ['expiration', String(now + MONTH)],
  ];
  const content = nip44.v2.encrypt(JSON.stringify(envelope), key);
  return finalizeEvent({ kind: 8252, created_at: now, tags, content }, unhex(secret));
}

/** A reader of one sender's events: gives an envelope, or null for what is to be dropped or not whole yet. */
export function reader(secret, self, sender) {
  const key = nip44.v2.utils.getConversationKey(unhex(secret), sender);
  const sets = new Map(); // chunk sets on their way: at most 8
  return (event, now) => {
    const expires = Number(event.tags.find(tag => tag[0] === 'expiration')?.[1] ?? Number.POSITIVE_INFINITY);
    if (event.kind !== 8252 || event.pubkey !== sender || JSON.stringify(event).length > 65536) return null;
    if (expires <= now || event.created_at > now + 900 || !verifyEvent(event)) return null;
    let text;
    try {
      text = nip44.v2.decrypt(event.content, key);
      if (text.startsWith('{"chunk":')) text = join(sets, JSON.parse(text), now);
    } catch {
      return null;
    }
    const envelope = text === null ? null : openEnvelope(text);
    return envelope?.from === sender && envelope.to === self ? envelope : null;
  };
}

function join(sets, { chunk, data }, now) {
  for (const [id, set] of sets) if (set.since < now - 3600) sets.delete(id);
  if (!(chunk.n >= 2 && chunk.n <= 1024 && chunk.i >= 0 && chunk.i < chunk.n)) return null;
  const set = sets.get(chunk.set) ?? { n: chunk.n, sha256: chunk.sha256, parts: new Map(), since: now };
  if (set.n !== chunk.n || set.sha256 !== chunk.sha256 || (set.parts.get(chunk.i) ?? data) !== data) return null;
  if (!sets.has(chunk.set) && sets.size >= 8) sets.delete(sets.keys().next().value);
  sets.set(chunk.set, set);
  set.parts.set(chunk.i, data);
  if (set.parts.size < set.n) return null;
  sets.delete(chunk.set);
  const bytes = concat(...Array.from({ length: set.n }, (_, i) => b64u.decode(set.parts.get(i))));
  return hex(sha256(bytes)) === set.sha256 ? new TextDecoder().decode(bytes) : null;
}
