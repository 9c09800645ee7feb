import type { OpenSocket } from './socket.ts';

/** The part of the browsers' WebSocket that is used. */
export interface BrowserWebSocket {
  readonly readyState: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  send(text: string): void;
  close(): void;
}

const OPEN = 1;

/** Opens sockets by a browser's WebSocket class. Browsers cannot ping, and cut connections without a size limit. */
export const browserSocket =
  (WebSocketClass: new (url: string) => BrowserWebSocket): OpenSocket =>
  (url, handlers, limits) => {
    const ws = new WebSocketClass(url);
    let isDown = false;
    const down = (reason: string): void => {
      if (isDown) return;
      isDown = true;
      handlers.onDown(reason);
    };
    /** A browser may wait a minute for the other side's close frame: whoever cuts does not wait for it. */
    const cut = (reason: string): void => {
      ws.close();
      down(reason);
    };
    ws.onopen = () => {
      if (!isDown) handlers.onOpen();
    };
    ws.onmessage = ({ data }) => {
      if (isDown || typeof data !== 'string') return;
      if (data.length > limits.payloadBytes) cut('message too large');
      else handlers.onText(data);
    };
    ws.onclose = ({ code, reason }) => down(`closed ${code} ${reason}`.trim());
    return {
      send: text => {
        if (ws.readyState === OPEN) ws.send(text);
      },
      ping: null,
      close: () => ws.close(),
      terminate: () => cut('cut off'),
    };
  };
