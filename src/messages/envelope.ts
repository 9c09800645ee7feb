import { z } from 'zod';
import { curve } from '#curve';
import { type Bytes, fromHex, taggedHash, toHex, utf8 } from '../crypto/index.ts';
import { jcs } from '../did/jcs.ts';
import { BODIES, type Body, isMessageType, type Message, type MessageType } from './bodies.ts';
import { hash32, schnorrSignature, timestamp, toPlainText, xOnlyKey } from './fields.ts';
import { parseJson } from './json.ts';

export const PROTOCOL_VERSION = 1;

/** No message that anyone sends is larger, chunks put together (UTF-16 units). */
export const MAX_ENVELOPE = 4_000_000;

/** The envelope around every message; the body's shape follows from `type`. */
export const envelopeHeader = z.strictObject({
  v: z.literal(PROTOCOL_VERSION),
  /** Hash of the rest, without `sig`. */
  id: hash32,
  type: z.string(),
  from: xOnlyKey,
  to: xOnlyKey,
  /** Id of the advert event that the cohort began with. */
  cohort: hash32,
  session: hash32.optional(),
  in_reply_to: hash32.optional(),
  /** Grows with every message of this sender in this cohort. */
  seq: z.int().min(0),
  created_at: timestamp,
  body: z.record(z.string(), z.unknown()),
  sig: schnorrSignature,
});

type Header = z.infer<typeof envelopeHeader>;
type TypedHeader = Omit<Header, 'type' | 'body'>;

/** A signed message (BIP-340 by the sender's transport key), whole and checked: it proves itself outside Nostr too. */
export type Envelope = { [T in MessageType]: TypedHeader & { type: T; body: Body<T> } }[MessageType];

export type EnvelopeDraft = Message & {
  from: string;
  to: string;
  cohort: string;
  session?: string;
  in_reply_to?: string;
  seq: number;
  created_at: number;
};

const TAG = 'did:btcr2/aggregation/envelope';
const digest = (content: object): Bytes => taggedHash(TAG, utf8(jcs(content)));

/** Completes and signs a message. `secret` is the 32-byte transport key of `from`, `auxRand` 32 random bytes. */
export function signEnvelope(draft: EnvelopeDraft, secret: Bytes, auxRand: Bytes): Envelope {
  const { session, in_reply_to, ...rest } = draft;
  const content = {
    v: PROTOCOL_VERSION,
    ...rest,
    ...(session === undefined ? {} : { session }),
    ...(in_reply_to === undefined ? {} : { in_reply_to }),
  };
  const identified = { ...content, id: toHex(digest(content)) };
  return { ...identified, sig: toHex(curve.signSchnorr(digest(identified), secret, auxRand)) } as Envelope;
}

export type EnvelopeRead =
  | { ok: true; envelope: Envelope }
  /** The sender is proven, so a polite rejection may go back to it. */
  | {
      ok: false;
      code: 'unsupported_version' | 'unknown_type' | 'invalid_message';
      field: string;
      text: string;
      sender: Sender;
    }
  /** Nobody is proven: drop. */
  | { ok: false; code: 'drop'; text: string };

export type Sender = { from: string; to: string; cohort: string; id: string; type: string };

const anyVersion = envelopeHeader.extend({ v: z.int() });
type AnyVersion = z.infer<typeof anyVersion>;

/**
 * Reads an envelope from text: size, nesting, header, id, signature, version, type, body, in that order.
 * What fails before the signature is verified has no sender and is to be dropped.
 */
export function readEnvelope(text: string): EnvelopeRead {
  const json = parseJson(text, MAX_ENVELOPE);
  if (!json.ok) return { ok: false, code: 'drop', text: json.reason };
  return checkEnvelope(json.value);
}

/** `readEnvelope` for a value that is parsed already, such as evidence in a `round_aborted`. */
export function checkEnvelope(value: unknown): EnvelopeRead {
  const parsed = anyVersion.safeParse(value);
  if (!parsed.success) return { ok: false, code: 'drop', text: `envelope: ${firstIssue(parsed.error).text}` };
  const envelope = parsed.data;
  // What came in and not the parser's copy, which leaves out keys named __proto__ that nobody signed.
  if (!isAuthentic(value as AnyVersion)) return { ok: false, code: 'drop', text: 'envelope: id or signature is wrong' };
  const { from, to, cohort, id, type } = envelope;
  const sender = { from, to, cohort, id, type };
  if (envelope.v !== PROTOCOL_VERSION)
    return {
      ok: false,
      code: 'unsupported_version',
      field: 'v',
      text: `this side speaks version ${PROTOCOL_VERSION}`,
      sender,
    };
  if (!isMessageType(envelope.type))
    return {
      ok: false,
      code: 'unknown_type',
      field: 'type',
      text: `known types: ${Object.keys(BODIES).join(', ')}`,
      sender,
    };
  const body = BODIES[envelope.type].safeParse(envelope.body);
  if (!body.success) return { ok: false, code: 'invalid_message', ...firstIssue(body.error, 'body'), sender };
  return { ok: true, envelope: { ...envelope, body: body.data } as Envelope };
}

function isAuthentic(envelope: AnyVersion): boolean {
  try {
    const { sig, ...identified } = envelope;
    const { id, ...content } = identified;
    return (
      toHex(digest(content)) === id && curve.verifySchnorr(digest(identified), fromHex(envelope.from), fromHex(sig))
    );
  } catch {
    // JCS refuses what JSON.parse lets through, such as lone surrogates.
    return false;
  }
}

function firstIssue(error: z.ZodError, prefix?: string): { field: string; text: string } {
  const issue = error.issues[0]!;
  const path = issue.path.map(String);
  const unrecognized = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  return {
    // Names of keys are the sender's: they must fit into the rejection that quotes them.
    field: toPlainText([...(prefix ? [prefix] : []), ...path, ...unrecognized].join('.') || 'envelope', 200),
    text: toPlainText(issue.message, 1000),
  };
}
