import { resolve } from 'node:path';
import { NETWORKS, type Network } from '../../bitcoin/network.ts';
import { readAdvert } from '../../nostr/advert.ts';
import { safeText } from '../../operator/terminal.ts';
import { type Invocation, numberFlag, type Options, Refused, textFlag, UsageError } from './command.ts';
import { parseJson, readFileText } from './files.ts';
import { hint, waiting } from './io.ts';
import type { WalletPort } from './port.ts';

/** Options that say where adverts are read. */
export const ADVERT_SOURCE = {
  file: { type: 'string', value: 'FILE', help: 'read advert events (JSON) from a file instead of from relays' },
  seconds: { type: 'string', value: 'N', help: 'how long to listen to the relays; 3 unless told' },
} as const satisfies Options;

const MAX_SECONDS = 3_600;

/** The adverts that relays or a file offer, verified; says why events of a file are none. */
export async function findAdverts(
  invocation: Invocation,
  port: WalletPort,
  query: { all: boolean; network?: Network },
): ReturnType<WalletPort['discover']> {
  const path = textFlag(invocation, 'file');
  const seconds = numberFlag(invocation, 'seconds', 1) ?? 3;
  if (seconds > MAX_SECONDS) throw new UsageError(`--seconds is at most ${MAX_SECONDS}`);
  if (path === undefined) return waiting(invocation, 'listening to the relays', port.discover({ ...query, seconds }));
  const events = readEvents(resolve(invocation.io.cwd, path));
  for (const [i, event] of events.entries()) {
    const read = readAdvert(event);
    if (!read.ok) hint(invocation, `event ${i + 1} of the file is no advert that verifies: ${safeText(read.reason)}`);
  }
  return port.discover({ ...query, events });
}

/** Events of a file: one JSON object, an array of them, or one a line. Throws Refused for anything else. */
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
