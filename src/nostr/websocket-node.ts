import { WebSocket } from 'ws';
import type { OpenSocket } from './socket.ts';

/** Opens WebSockets on Node by `ws`: no compression (a bomb inflates after the size check), no redirects. */
export const nodeSocket: OpenSocket = (url, handlers, limits) => {
  const ws = new WebSocket(url, {
    maxPayload: limits.payloadBytes,
    perMessageDeflate: false,
    followRedirects: false,
  });
  let failure: string | null = null;
  ws.on('open', () => handlers.onOpen());
  ws.on('message', (data, isBinary) => {
    if (!isBinary) handlers.onText(data.toString());
  });
  ws.on('pong', () => handlers.onPong());
  ws.on('error', error => {
    failure = error.message;
  });
  ws.on('close', (code, reason) => handlers.onDown(failure ?? `closed ${code} ${reason.toString()}`.trim()));
  const isOpen = (): boolean => ws.readyState === WebSocket.OPEN;
  return {
    send: text => {
      if (isOpen()) ws.send(text);
    },
    ping: () => {
      if (isOpen()) ws.ping();
    },
    close: () => ws.close(),
    terminate: () => ws.terminate(),
  };
};
