// Envelopes, their events, and a relay: the chapters "Directed messages" and "Statements" of docs/PROTOCOL.md.
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import * as nip44 from 'nostr-tools/nip44';
import { finalizeEvent, verifyEvent } from 'nostr-tools/pure';
import WebSocket from 'ws';
import { z } from 'zod';

export const hex = bytesToHex;
export const unhex = hexToBytes;
export const now = () => Math.floor(Date.now() / 1000);

const schemas = new URL('../../docs/schemas/', import.meta.url);
const schemaOf = Object.fromEntries(
  readdirSync(schemas).map(name => [
    name.replace('.json', ''),
    z.fromJSONSchema(JSON.parse(readFileSync(new URL(name, schemas), 'utf8'))),
  ]),
);
export const fits = (name, value) => schemaOf[name]?.safeParse(value).success === true;

export function newKey() {
  const secret = secp256k1.utils.randomSecretKey();
  const compressed = secp256k1.getPublicKey(secret, true);
  return { secret, compressed: hex(compressed), x: hex(compressed.slice(1)) };
}

/** RFC 8785, for JSON that has no numbers but integers. */
export function jcs(value) {
  if (Array.isArray(value)) return `[${value.map(jcs).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map(name => `${JSON.stringify(name)}:${jcs(value[name])}`).join(',')}}`;
}

export function taggedHash(tag, ...parts) {
  const tagHash = sha256(utf8ToBytes(tag));
  return sha256(concatBytes(tagHash, tagHash, ...parts));
}

const about = name => content => taggedHash(`did:btcr2/aggregation/${name}`, utf8ToBytes(jcs(content)));
export const statement = (name, content) => about(name)(content);
const digest = about('envelope');
export const sign = (hash, key) => hex(schnorr.sign(hash, key.secret, randomBytes(32)));

export function verify(hash, x, sig) {
  try {
    return schnorr.verify(unhex(sig), hash, unhex(x));
  } catch {
    return false;
  }
}

export function seal(draft, key) {
  const content = { v: 1, ...draft, from: key.x, created_at: now() };
  const identified = { ...content, id: hex(digest(content)) };
  return { ...identified, sig: sign(digest(identified), key) };
}

export function wrap(envelope, key) {
  const shared = nip44.getConversationKey(key.secret, envelope.to);
  const context = utf8ToBytes(envelope.session ?? envelope.cohort);
  return finalizeEvent(
    {
      kind: 8252,
      created_at: envelope.created_at,
      tags: [
        ['p', envelope.to],
        ['s', hex(hmac(sha256, shared, context))],
        ['expiration', String(envelope.created_at + 30 * 86_400)],
      ],
      content: nip44.encrypt(JSON.stringify(envelope), shared),
    },
    key.secret,
  );
}

const sets = new Map();

/** The whole text, or null while parts of it are missing. */
function unchunk(sender, text) {
  const { chunk, data } = JSON.parse(text);
  if (chunk === undefined) return text;
  const name = `${sender} ${chunk.set}`;
  const parts = sets.get(name) ?? [];
  parts[chunk.i] = Buffer.from(data, 'base64url');
  sets.set(name, parts);
  if (parts.filter(Boolean).length < chunk.n) return null;
  sets.delete(name);
  const whole = Buffer.concat(parts);
  return hex(sha256(whole)) === chunk.sha256 ? whole.toString('utf8') : null;
}

/** The envelope in an event for this key; null for whatever fails a check. */
export function open(event, key) {
  try {
    const recipients = event.tags.filter(([name]) => name === 'p');
    if (event.kind !== 8252 || !verifyEvent(event) || recipients.length !== 1 || recipients[0][1] !== key.x)
      return null;
    const text = unchunk(
      event.pubkey,
      nip44.decrypt(event.content, nip44.getConversationKey(key.secret, event.pubkey)),
    );
    const envelope = text === null ? null : JSON.parse(text);
    if (!fits('envelope', envelope) || !fits(envelope.type, envelope.body)) return null;
    const { sig, ...identified } = envelope;
    const { id, ...content } = identified;
    const genuine = hex(digest(content)) === id && verify(digest(identified), envelope.from, sig);
    return genuine && envelope.from === event.pubkey && envelope.to === key.x ? envelope : null;
  } catch {
    return null;
  }
}

/** One relay, for as long as it lives. `onEvent` gets every event of a subscription. */
export async function connect(url) {
  const socket = new WebSocket(url);
  const listeners = new Map();
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
  socket.on('message', data => {
    const [verb, name, event] = JSON.parse(String(data));
    if (verb === 'EVENT') listeners.get(name)?.(event);
  });
  return {
    publish: event => socket.send(JSON.stringify(['EVENT', event])),
    subscribe(name, filter, onEvent) {
      listeners.set(name, onEvent);
      socket.send(JSON.stringify(['REQ', name, filter]));
    },
    close: () => socket.terminate(),
  };
}
