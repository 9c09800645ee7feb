import { resolve } from 'node:path';
import { NETWORKS, type Network } from '../../bitcoin/network.ts';
import { readAdvertSource } from '../../nostr/advert-link.ts';
import { safeText } from '../../operator/terminal.ts';
import { type Invocation, numberFlag, type Options, Refused, textFlag, UsageError } from './command.ts';
import { parseJson, readFileText } from './files.ts';
import { hint, waiting } from './io.ts';
import type { WalletPort } from './port.ts';

/** Options that say where adverts are read. */
export const ADVERT_SOURCE = {
  file: {
    type: 'string',
    value: 'FILE',
    help: 'read adverts (events or documents, JSON) from a file instead of from relays',
  },
  seconds: { type: 'string', value: 'N', help: 'how long to listen to the relays; 3 unless told' },
} as const satisfies Options;

const MAX_SECONDS = 3_600;

/** Where adverts are to be read: entries of a file, or the relays for so many seconds. */
export type AdvertSource = { events: unknown[] } | { seconds: number };

/** The source that the options name. Throws UsageError, or Refused for a file that cannot be read. */
export function advertSource(invocation: Invocation): AdvertSource {
  const path = textFlag(invocation, 'file');
  const seconds = numberFlag(invocation, 'seconds', 1) ?? 3;
  if (seconds > MAX_SECONDS) throw new UsageError(`--seconds is at most ${MAX_SECONDS}`);
  return path === undefined ? { seconds } : { events: readEvents(resolve(invocation.io.cwd, path)) };
}

/** The adverts that relays or a file offer, verified; says why entries of a file are none. */
export async function findAdverts(
  invocation: Invocation,
  port: WalletPort,
  source: AdvertSource,
  query: { all: boolean; network?: Network },
): ReturnType<WalletPort['discover']> {
  if ('seconds' in source) {
    const { seconds } = source;
    const adverts = await waiting(invocation, 'listening to the relays', port.discover({ ...query, seconds }));
    if (adverts.length === 0) await refuseSilence(port);
    return adverts;
  }
  for (const [i, event] of source.events.entries()) {
    const read = readAdvertSource(event);
    if (!read.ok) hint(invocation, `entry ${i + 1} of the file is no advert that verifies: ${safeText(read.reason)}`);
  }
  return port.discover({ ...query, events: source.events });
}

/** Nothing heard and nobody to hear are two things. */
async function refuseSilence(port: WalletPort): Promise<void> {
  const { relays } = await port.status();
  if (relays.some(({ connected }) => connected)) return;
  throw new Refused('no_relay', `no relay can be reached: ${relays.map(({ url }) => url).join(', ')}`);
}

/** Entries of a file: one JSON object, an array of them, or one a line. Throws Refused for anything else. */
function readEvents(path: string): unknown[] {
  const text = readFileText(path);
  const whole = parseJson(text);
  if (whole.ok) return Array.isArray(whole.value) ? whole.value : [whole.value];
  return text
    .split('\n')
    .filter(line => line.trim() !== '')
    .map((line, i) => {
      const one = parseJson(line);
      if (!one.ok) throw new Refused('bad_file', `${path} is not JSON, and neither is its line ${i + 1}`);
      return one.value;
    });
}

/** The network of an option; undefined if it was not given. */
export function networkFlag(invocation: Invocation): Network | undefined {
  const text = textFlag(invocation, 'network');
  if (text === undefined) return undefined;
  const network = NETWORKS.find(name => name === text);
  if (network === undefined) throw new UsageError(`--network is one of ${NETWORKS.join(', ')}`);
  return network;
}
