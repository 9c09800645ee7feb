/** What a socket tells its owner. `onDown` comes exactly once, also when the connection never opened. */
export interface SocketHandlers {
  onOpen(): void;
  onText(text: string): void;
  onPong(): void;
  onDown(reason: string): void;
}

export interface SocketLimits {
  /** Bytes of one incoming message above which the connection is cut. */
  readonly payloadBytes: number;
}

export interface Socket {
  send(text: string): void;
  /** Sends a WebSocket ping; null where the platform has none to send (browsers). */
  readonly ping: (() => void) | null;
  /** Closes in an orderly way. */
  close(): void;
  /** Cuts the connection at once. */
  terminate(): void;
}

/** Opens a WebSocket: `nodeSocket` on Node, `browserSocket(WebSocket)` in browsers. */
export type OpenSocket = (url: string, handlers: SocketHandlers, limits: SocketLimits) => Socket;
