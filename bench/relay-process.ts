import { startTestRelay } from '../src/testing/relay.ts';
import { serveAsk } from './answering.ts';

export interface Traffic {
  /** Events published, and copies of events sent to subscribers. */
  published: number;
  sent: number;
  /** Bytes of all stored events, as JSON. */
  bytes: number;
  /** Events and bytes by recipient (its `p` tag). */
  perRecipient: { events: number; bytes: number }[];
}

const relay = await startTestRelay({ limits: { maxMessageBytes: 262_144 } });
let from = 0;

serveAsk({
  url: () => relay.url,
  /** What was published since the last question. */
  traffic(): Traffic {
    const events = relay.events().slice(from);
    from += events.length;
    const by = new Map<string, { events: number; bytes: number }>();
    let bytes = 0;
    for (const event of events) {
      const size = JSON.stringify(event).length;
      bytes += size;
      const to = event.tags.find(tag => tag[0] === 'p')?.[1] ?? '';
      const known = by.get(to) ?? { events: 0, bytes: 0 };
      by.set(to, { events: known.events + 1, bytes: known.bytes + size });
    }
    by.delete('');
    return { published: relay.stats.published, sent: relay.stats.sent, bytes, perRecipient: [...by.values()] };
  },
});
process.on('SIGTERM', () => process.exit(0));
