import { type EnvelopeRead, MAX_ENVELOPE, readEnvelope } from '../messages/index.ts';
import { parseJson } from '../messages/json.ts';
import { ADVERT_KIND } from './advert.ts';
import { eventId, type NostrEvent, readEvent, tagValue, verifyEvent } from './event.ts';
import { isRecord } from './json.ts';
import { MAIL_KINDS } from './schemes.ts';

/** Characters that one file of carried messages may have: a message at its largest, in chunks, encrypted twice over. */
export const MAX_CARRIED = 16_777_216;

/**
 * The JSON texts in a file of carried messages: one value, an array of them, or one a line. Names the line that is none.
 * Nothing in them is believed yet.
 */
export function splitCarried(
  text: string,
): { ok: true; values: string[] } | { ok: false; field: string; text: string } {
  const no = (field: string, why: string) => ({ ok: false as const, field, text: why });
  if (text.length > MAX_CARRIED) return no('size', `more than ${MAX_CARRIED} characters`);
  const lines = text.split('\n').filter(line => line.trim() !== '');
  if (lines.length === 0) return no('file', 'it is empty');
  const whole = parseJson(text, MAX_CARRIED);
  if (whole.ok && !Array.isArray(whole.value)) return { ok: true, values: [text.trim()] };
  if (whole.ok && Array.isArray(whole.value))
    return whole.value.length === 0
      ? no('file', 'it is empty')
      : { ok: true, values: whole.value.map(value => JSON.stringify(value)) };
  const bad = lines.findIndex(line => !parseJson(line, MAX_CARRIED).ok);
  if (bad < 0) return { ok: true, values: lines };
  return no(lines.length === 1 || bad === 0 ? 'file' : `line ${bad + 1}`, 'is not JSON: is it cut off, or no message?');
}

/** One carried message as it was found in a file. */
export type Carried =
  /** An event as a relay would carry it, verified; `to` is the x-only key that it names. */
  | { readonly form: 'event'; readonly event: NostrEvent; readonly to: string }
  /** A signed envelope outside Nostr, read as one that was decrypted. */
  | { readonly form: 'plain'; readonly read: Exclude<EnvelopeRead, { code: 'drop' }> }
  | { readonly form: 'refused'; readonly field: string; readonly text: string };

/**
 * Reads one JSON text from a file: a directed event, verified, or an envelope, whose signature proves it by itself. An
 * event that was altered, or is none of ours, is refused by the field that shows it. Never throws.
 */
export function readCarried(text: string): Carried {
  const no = (field: string, why: string): Carried => ({ form: 'refused', field, text: why });
  const json = parseJson(text, MAX_ENVELOPE);
  if (!json.ok) return no('file', json.reason === 'not_json' ? 'is not JSON' : json.reason.replace('_', ' '));
  const { value } = json;
  if (!isRecord(value)) return no('file', 'is neither a Nostr event nor an envelope');
  if (Object.hasOwn(value, 'body') && Object.hasOwn(value, 'from')) return readPlain(text);
  if (!Object.hasOwn(value, 'kind')) return no('file', 'is neither a Nostr event nor an envelope');
  const shape = readEvent(value);
  if (shape === null) return no('event', 'is malformed: NIP-01 has other members, or other values for them');
  if (shape.kind === ADVERT_KIND) return no('kind', 'is an advert: wallets join it by `btcr2-wallet join FILE`');
  if (!MAIL_KINDS.includes(shape.kind)) return no('kind', `${shape.kind} carries no message of this protocol`);
  if (eventId(shape) !== shape.id) return no('id', 'is not the hash of the event: it was altered');
  const event = verifyEvent(shape);
  if (event === null) return no('sig', 'is not a signature of the event by its pubkey');
  return { form: 'event', event, to: tagValue(event, 'p') ?? '' };
}

function readPlain(text: string): Carried {
  const read = readEnvelope(text);
  if (read.ok || read.code !== 'drop') return { form: 'plain', read };
  const isForged = read.text.includes('id or signature');
  return { form: 'refused', field: isForged ? 'sig' : 'envelope', text: read.text.replace(/^envelope: /, '') };
}
