import { randomBytes } from 'node:crypto';
import { WebSocket } from 'ws';
import { signEvent } from '../src/nostr/event.ts';
import { serveAsk } from './answering.ts';

interface Flood {
  relay: string;
  to: string;
  perSecond: number;
  /** Keys that sign them: none has a seat. */
  keys: number;
  /** How long it may last; its events are signed before it begins, or the signing would set the pace. */
  seconds: number;
}

const TICK_MS = 20;
const random = (length: number): Uint8Array => Uint8Array.from(randomBytes(length));
let texts: string[] = [];
let stopNow = (): number => 0;

/** A directed event that is right in everything but what is in it. */
function hostile(secret: Uint8Array, to: string): string {
  const now = Math.floor(Date.now() / 1_000);
  const tags = [
    ['p', to],
    ['s', randomBytes(32).toString('hex')],
    ['expiration', String(now + 86_400)],
  ];
  const content = Buffer.concat([Buffer.of(2), randomBytes(700)]).toString('base64');
  return JSON.stringify(['EVENT', signEvent({ kind: 8252, created_at: now, tags, content }, secret, random(32))]);
}

serveAsk({
  /** Signs the flood's events; resolves when they are ready. */
  ready({ to, perSecond, keys, seconds }: Flood) {
    const secrets = Array.from({ length: keys }, () => random(32));
    texts = Array.from({ length: perSecond * seconds }, (_, i) => hostile(secrets[i % keys]!, to));
  },
  /** Resolves when the flood has begun. */
  async start({ relay, perSecond }: Flood) {
    const socket = new WebSocket(relay);
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    socket.on('message', () => {});
    let sent = 0;
    const from = performance.now();
    const timer = setInterval(() => {
      const due = Math.min(texts.length, ((performance.now() - from) / 1_000) * perSecond);
      for (; sent < due; sent++) socket.send(texts[sent]!);
    }, TICK_MS);
    stopNow = () => {
      clearInterval(timer);
      socket.close();
      return sent / ((performance.now() - from) / 1_000);
    };
  },
  /** Ends it; answers with the events a second that it was. */
  stop: () => stopNow(),
});
process.on('SIGTERM', () => process.exit(0));
