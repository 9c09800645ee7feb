import type { NostrEvent } from './event.ts';
import { classifyOk, type PublishResult } from './ok.ts';

interface Pending {
  readonly frame: string;
  readonly event: NostrEvent;
  readonly result: Promise<PublishResult>;
  readonly settle: (result: PublishResult) => void;
  isSent: boolean;
  /** One more try after authentication, and no second one. */
  isRetried: boolean;
}

export interface PublishingOptions {
  /** False if it could not be sent now. */
  readonly send: (frame: string) => boolean;
  readonly timeoutMs: number;
  /** Bytes of a frame that the relay takes, or null. */
  readonly maxMessageBytes: () => number | null;
  /** Called when the relay wants NIP-42 first; says whether an authentication is under way that is worth waiting for. */
  readonly authenticate: () => boolean;
}

/** The publications to one relay that wait for its OK. */
export interface Publishing {
  publish(event: NostrEvent): Promise<PublishResult>;
  onOk(id: string, ok: boolean, message: string): void;
  /** Sends what was not sent yet, or was refused for lack of authentication. */
  resume(): void;
  /** The connection is gone: what was sent must be sent again. */
  onDown(): void;
  close(): void;
}

const ours = (prefix: 'timeout' | 'offline' | 'too-large', message: string): PublishResult =>
  classifyOk(false, `${prefix}: ${message}`);

const byteLength = (text: string): number => new TextEncoder().encode(text).length;

/** Matches publications with the relay's OKs; each ends with one result, at the latest after `timeoutMs`. */
export function trackPublishing(options: PublishingOptions): Publishing {
  const pending = new Map<string, Pending>();
  let isClosed = false;

  function trySend(publication: Pending): void {
    if (!publication.isSent) publication.isSent = options.send(publication.frame);
  }

  function start(event: NostrEvent): Promise<PublishResult> {
    if (isClosed) return Promise.resolve(ours('offline', 'closed'));
    const frame = JSON.stringify(['EVENT', event]);
    const max = options.maxMessageBytes();
    const size = max === null ? 0 : byteLength(frame);
    if (max !== null && size > max)
      return Promise.resolve(ours('too-large', `${size} bytes, and the relay takes ${max}`));
    let settle: (result: PublishResult) => void = () => {};
    const result = new Promise<PublishResult>(resolve => {
      const timer = setTimeout(() => {
        const wasSent = pending.get(event.id)?.isSent ?? false;
        settle(wasSent ? ours('timeout', 'no OK') : ours('offline', 'no connection'));
      }, options.timeoutMs);
      settle = outcome => {
        clearTimeout(timer);
        pending.delete(event.id);
        resolve(outcome);
      };
    });
    const publication: Pending = { frame, event, result, settle, isSent: false, isRetried: false };
    pending.set(event.id, publication);
    trySend(publication);
    return result;
  }

  return {
    publish: event => pending.get(event.id)?.result ?? start(event),
    onOk(id, ok, message) {
      const publication = pending.get(id);
      if (publication === undefined) return;
      const result = classifyOk(ok, message);
      if (result.verdict === 'auth' && !publication.isRetried && options.authenticate()) {
        publication.isRetried = true;
        publication.isSent = false;
      } else publication.settle(result);
    },
    resume() {
      for (const publication of pending.values()) trySend(publication);
    },
    onDown() {
      for (const publication of pending.values()) publication.isSent = false;
    },
    close() {
      isClosed = true;
      for (const publication of [...pending.values()]) publication.settle(ours('offline', 'closed'));
    },
  };
}
