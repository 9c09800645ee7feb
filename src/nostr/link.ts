import { backoffDelay } from './backoff.ts';
import { LIMITS } from './event.ts';
import { type Log, printable } from './log.ts';
import type { OpenSocket, Socket } from './socket.ts';

export interface LinkTiming {
  /** All in milliseconds. A relay is taken for dead after two pings without any sign of life. */
  readonly pingMs: number;
  readonly connectMs: number;
  readonly reconnectBaseMs: number;
  readonly reconnectMaxMs: number;
  /** A connection that lasted this long was a good one: the next reconnect starts again at the base. */
  readonly stableMs: number;
  readonly closeMs: number;
}

export const LINK_TIMING: LinkTiming = {
  pingMs: 25_000,
  connectMs: 10_000,
  reconnectBaseMs: 500,
  reconnectMaxMs: 60_000,
  stableMs: 20_000,
  closeMs: 1_000,
};

export interface LinkHandlers {
  onOpen(): void;
  onText(text: string): void;
  onDown(): void;
  /** Asks the other side for any answer, where the platform has no ping. */
  probe(): void;
}

export interface LinkOptions {
  readonly openSocket: OpenSocket;
  readonly log: Log;
  /** 0 to below 1. */
  readonly random: () => number;
  readonly timing: LinkTiming;
}

/** A WebSocket that comes back. */
export interface Link {
  isOpen(): boolean;
  /** False if there is no connection at present: nothing is kept for later. */
  send(text: string): boolean;
  /** Cuts the connection; it comes back after the longest delay. */
  cut(reason: string): void;
  close(): Promise<void>;
}

/**
 * Keeps one connection to `url`: opened at once, and again after every loss, the first try included, with jittered
 * exponential delays; cut when it takes too long to open or stops answering pings.
 */
export function keepLinked(url: string, handlers: LinkHandlers, options: LinkOptions): Link {
  const { openSocket, log, random, timing } = options;
  let socket: Socket | null = null;
  let isOpen = false;
  let isClosed = false;
  let isCut = false;
  let attempt = 0;
  let isHeard = true;
  let openedAt = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let pinger: ReturnType<typeof setInterval> | undefined;
  let onGone: (() => void) | undefined;

  function beat(): void {
    if (!isHeard) {
      log('warn', 'relay stopped answering', { relay: url });
      socket?.terminate();
      return;
    }
    isHeard = false;
    if (socket?.ping) socket.ping();
    else handlers.probe();
  }

  function onOpen(): void {
    clearTimeout(timer);
    isOpen = true;
    isHeard = true;
    openedAt = Date.now();
    pinger = setInterval(beat, timing.pingMs);
    handlers.onOpen();
  }

  function onDown(reason: string): void {
    clearTimeout(timer);
    clearInterval(pinger);
    const wasOpen = isOpen;
    socket = null;
    isOpen = false;
    if (wasOpen && Date.now() - openedAt >= timing.stableMs) attempt = 0;
    if (!isClosed) {
      const base = isCut ? timing.reconnectMaxMs : timing.reconnectBaseMs;
      const delay = backoffDelay({ base, max: timing.reconnectMaxMs }, attempt++, random);
      log(wasOpen ? 'info' : 'debug', 'relay is down', { relay: url, reason: printable(reason) });
      timer = setTimeout(open, delay);
    }
    if (wasOpen) handlers.onDown();
    onGone?.();
  }

  function open(): void {
    isCut = false;
    timer = setTimeout(() => socket?.terminate(), timing.connectMs);
    const onText = (text: string): void => {
      isHeard = true;
      if (isOpen && !isCut) handlers.onText(text);
    };
    const onPong = (): void => {
      isHeard = true;
    };
    try {
      socket = openSocket(url, { onOpen, onText, onPong, onDown }, { payloadBytes: LIMITS.payloadBytes });
    } catch (error) {
      onDown(error instanceof Error ? error.message : 'socket could not be made');
    }
  }

  open();
  return {
    isOpen: () => isOpen,
    send(text) {
      if (!isOpen || socket === null) return false;
      socket.send(text);
      return true;
    },
    cut(reason) {
      log('warn', 'relay cut off', { relay: url, reason: printable(reason) });
      isCut = true;
      socket?.terminate();
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
      const leaving = socket;
      if (leaving === null) return Promise.resolve();
      return new Promise(resolve => {
        const impatience = setTimeout(() => leaving.terminate(), timing.closeMs);
        onGone = () => {
          clearTimeout(impatience);
          resolve();
        };
        if (isOpen) leaving.close();
        else leaving.terminate();
      });
    },
  };
}
