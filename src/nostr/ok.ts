/** The machine-readable word before the colon of an OK or CLOSED message (NIP-01), lower case; empty without one. */
export function prefixOf(message: string): string {
  const match = /^([a-z-]{1,32}):/i.exec(message);
  return match?.[1]?.toLowerCase() ?? '';
}

/**
 * What an answer to a publication means for the sender: `done`; `retry` later with the same bytes; `auth`: the relay
 * wants NIP-42 first; `pow`: these bytes never pass, the work must be done and the event signed anew; `refused`: stop
 * on this relay.
 */
export type Verdict = 'done' | 'retry' | 'auth' | 'pow' | 'refused';

/** An outcome of publishing to one relay. `prefix` is the relay's, or `timeout`, `offline`, `too-large` of our own. */
export interface PublishResult {
  readonly ok: boolean;
  readonly prefix: string;
  readonly message: string;
  readonly verdict: Verdict;
  /** Bits that the relay asks for (NIP-13), where its words tell. */
  readonly powBits?: number;
}

/** `replaced` and `duplicate` say that the relay has this event or a newer one of its address: nothing is left to do. */
const VERDICTS: Readonly<Record<string, Verdict>> = {
  duplicate: 'done',
  replaced: 'done',
  'rate-limited': 'retry',
  error: 'retry',
  timeout: 'retry',
  offline: 'retry',
  'auth-required': 'auth',
  pow: 'pow',
  invalid: 'refused',
  blocked: 'refused',
  restricted: 'refused',
  deleted: 'refused',
  mute: 'refused',
  'too-large': 'refused',
};

/** NIP-01's example is "difficulty 25>=24"; others say "26 is less than 30": the larger number is the one asked for. */
function powBitsOf(message: string): number | undefined {
  const numbers = [...message.matchAll(/\b\d{1,3}\b/g)].map(Number).filter(bits => bits > 0 && bits <= 256);
  return numbers.length > 0 ? Math.max(...numbers) : undefined;
}

/** Reads an OK (NIP-01). A refusal without a known prefix is retried: it may pass, and the event expires anyway. */
export function classifyOk(ok: boolean, message: string): PublishResult {
  const prefix = prefixOf(message);
  if (ok) return { ok, prefix, message, verdict: 'done' };
  const verdict = (Object.hasOwn(VERDICTS, prefix) ? VERDICTS[prefix] : undefined) ?? 'retry';
  const powBits = verdict === 'pow' ? powBitsOf(message) : undefined;
  return { ok, prefix, message, verdict, ...(powBits === undefined ? {} : { powBits }) };
}
