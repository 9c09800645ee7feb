import type { OpenSocket } from '../../src/nostr/index.ts';
import {
  type RelayClient,
  type RelayServerLimits,
  SERVER_LIMITS,
  serveClient,
} from '../../src/testing/relay-client.ts';
import { noFaults, type RelayFaults } from '../../src/testing/relay-faults.ts';
import { createRelayStore } from '../../src/testing/relay-store.ts';
import type { Clock, Owner } from './clock.ts';
import type { Luck } from './random.ts';

/** What a program's own end of its connections sees of each frame, before and after it passes. */
export type Passing = (direction: 'out' | 'in', relay: string, frame: string, pass: () => void) => void;

/** The wires between programs and relays. */
export interface Weather {
  /** Milliseconds that a frame takes, at least and at most. */
  latency: [number, number];
  /** Of all frames that carry an event or its OK: lost on the way, and come twice. */
  loss: number;
  duplicates: number;
}

export interface SimRelay {
  readonly url: string;
  readonly faults: RelayFaults;
  /** Takes connections; taken away, all end. */
  setUp(isUp: boolean): void;
  isUp(): boolean;
  events(): number;
}

export interface SimRelays {
  readonly relays: SimRelay[];
  readonly weather: Weather;
  /** Sockets for one program: they are cut when it dies. */
  socketsOf(owner: Owner, passing: Passing): { openSocket: OpenSocket; cut: () => void };
}

interface Line {
  cut(): void;
}

const LIMITS: RelayServerLimits = { ...SERVER_LIMITS, maxSubscriptions: 1_000 };

/** Relays whose protocol is the test relay's, over wires that lose, double and delay. */
export function createRelays(options: {
  clock: Clock;
  luck: Luck;
  urls: readonly string[];
  weather: Weather;
}): SimRelays {
  const { clock, luck, weather } = options;
  const wires: Owner = { name: 'wires', alive: true };

  function createRelay(url: string) {
    const store = createRelayStore();
    const faults = noFaults();
    const clients = new Set<RelayClient>();
    const lines = new Set<Line>();
    const stats = { connections: 0, frames: 0, requests: 0, published: 0, stored: 0, sent: 0, authenticated: 0 };
    let isUp = true;
    return {
      url,
      faults,
      lines,
      isUp: () => isUp,
      events: () => store.all().length,
      setUp(next: boolean): void {
        isUp = next;
        if (!isUp) for (const line of lines) line.cut();
      },
      serve(send: (text: string) => void): { client: RelayClient; leave: () => void } {
        const client = serveClient({
          store,
          faults,
          limits: LIMITS,
          stats,
          url,
          now: clock.now,
          send,
          broadcast: event => {
            for (const each of clients) each.offer(event);
          },
          challenge: () => `challenge ${luck.next()}`,
        });
        clients.add(client);
        return {
          client,
          leave: () => {
            clients.delete(client);
            client.close();
          },
        };
      },
    };
  }
  const relays = options.urls.map(createRelay);

  const carriesEvent = (frame: string): boolean => frame.startsWith('["EVENT"') || frame.startsWith('["OK"');
  const delay = (): number => weather.latency[0] + luck.next() * (weather.latency[1] - weather.latency[0]);

  /** Frames of one direction arrive in the order in which they were sent. */
  function wire(deliver: (frame: string) => void, owner: Owner): (frame: string) => void {
    let free = 0;
    return frame => {
      if (carriesEvent(frame) && luck.chance(weather.loss)) return;
      const copies = carriesEvent(frame) && luck.chance(weather.duplicates) ? 2 : 1;
      for (let i = 0; i < copies; i++) {
        free = Math.max(free, clock.ms() + delay());
        clock.later(owner, free - clock.ms(), () => deliver(frame));
      }
    };
  }

  return {
    relays,
    weather,
    socketsOf(owner, passing) {
      const own = new Set<Line>();
      const openSocket: OpenSocket = (url, handlers) => {
        const relay = relays.find(each => each.url === url || `${each.url}/` === url)!;
        let session: ReturnType<typeof relay.serve> | null = null;
        let isGone = false;
        const end = (reason: string): void => {
          if (isGone) return;
          isGone = true;
          relay.lines.delete(line);
          own.delete(line);
          session?.leave();
          clock.later(owner, 1, () => handlers.onDown(reason));
        };
        const line: Line = { cut: () => end('cut') };
        relay.lines.add(line);
        own.add(line);
        const down = wire(frame => {
          if (!isGone) passing('in', url, frame, () => handlers.onText(frame));
        }, owner);
        const up = wire(frame => {
          if (!isGone) session?.client.onText(frame);
        }, wires);
        clock.later(owner, delay(), () => {
          if (isGone) return;
          if (!relay.isUp()) {
            end('refused');
            return;
          }
          session = relay.serve(down);
          handlers.onOpen();
        });
        return {
          send: frame => passing('out', url, frame, () => up(frame)),
          ping: () => {
            if (!isGone && !relay.faults.silent) handlers.onPong();
          },
          close: () => end('closed'),
          terminate: () => end('terminated'),
        };
      };
      return {
        openSocket,
        cut: () => {
          for (const line of [...own]) line.cut();
        },
      };
    },
  };
}
