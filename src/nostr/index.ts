// Without websocket-node.ts, which does not go into browsers: programs on Node import `nodeSocket` from there.
export * from './auth.ts';
export * from './chunk.ts';
export { type ConnectionOptions, connectRelay, type RelayConnection, type RelayState } from './connection.ts';
export * from './event.ts';
export { type Filter, matchesAny } from './filter.ts';
export * from './inbox.ts';
export * from './log.ts';
export * from './nip11.ts';
export { conversationKey, type Decrypted, decrypt, encrypt, MAX_PLAINTEXT_BYTES, Nip44Error } from './nip44.ts';
export { classifyOk, type PublishResult, type Verdict } from './ok.ts';
export * from './outbox.ts';
export * from './pow.ts';
export * from './relays.ts';
export type { OpenSocket } from './socket.ts';
export type { Subscription } from './subscribing.ts';
export * from './url.ts';
export * from './websocket-browser.ts';
export * from './wrap.ts';
