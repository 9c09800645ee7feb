import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { NETWORKS, type Network } from '../../bitcoin/network.ts';
import { ADVERT_LINK_SCHEME, decodeAdvertLink, readAdvertSource } from '../../nostr/advert-link.ts';
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
    help: 'read adverts (events, documents or links) from a file instead of from relays',
  },
  seconds: { type: 'string', value: 'N', help: 'how long to listen to the relays; 3 unless told' },
} as const satisfies Options;

const MAX_SECONDS = 3_600;

/** Where adverts are to be read: a link, entries of a file, or the relays. What is only pointed at is fetched in `seconds`. */
export type AdvertSource = { seconds: number } & ({ from: 'relays' } | { from: 'link'; link: string } | FromFile);
type FromFile = { from: 'file'; events: unknown[] };

/** The source that the options name. Throws UsageError, or Refused for a file that cannot be read. */
export function advertSource(invocation: Invocation, link?: string): AdvertSource {
  const path = textFlag(invocation, 'file');
  const seconds = numberFlag(invocation, 'seconds', 1) ?? 3;
  if (seconds > MAX_SECONDS) throw new UsageError(`--seconds is at most ${MAX_SECONDS}`);
  if (path !== undefined && link !== undefined) throw new UsageError('a link says where its advert is: without --file');
  if (path !== undefined) return { from: 'file', events: readEvents(resolve(invocation.io.cwd, path)), seconds };
  return link === undefined ? { from: 'relays', seconds } : { from: 'link', link, seconds };
}

/** What a person typed for one advert: where it is read, and which of them is meant, or the only one there. */
export function sourceOfWord(invocation: Invocation, word: string): { source: AdvertSource; reference: string | null } {
  if (isLink(word)) return { source: advertSource(invocation, word), reference: null };
  const path = resolve(invocation.io.cwd, word);
  const isFile = /[\\/]|\.json$/.test(word) && statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  if (!isFile) return { source: advertSource(invocation), reference: word };
  const { seconds } = advertSource(invocation);
  if (textFlag(invocation, 'file') !== undefined) throw new UsageError(`${word} is a file itself: without --file`);
  return { source: { from: 'file', events: readEvents(path), seconds }, reference: null };
}

const isLink = (text: string): boolean => text.trim().startsWith(ADVERT_LINK_SCHEME);

/** The adverts that a source offers, verified; says why entries of a file are none. */
export async function findAdverts(
  invocation: Invocation,
  port: WalletPort,
  source: AdvertSource,
  query: { all: boolean; network?: Network },
): ReturnType<WalletPort['discover']> {
  const { seconds } = source;
  switch (source.from) {
    case 'relays': {
      const adverts = await waiting(invocation, 'listening to the relays', port.discover({ ...query, seconds }));
      if (adverts.length === 0) await refuseSilence(port);
      return adverts;
    }
    case 'link': {
      const { link } = source;
      const read = decodeAdvertLink(link);
      if (!read.ok) throw new Refused('refused', safeText(read.reason));
      return waiting(invocation, 'looking up the advert', port.discover({ ...query, link, seconds }));
    }
    case 'file': {
      const { events } = source;
      for (const [i, event] of events.entries()) {
        const read = readAdvertSource(event);
        if (!read.ok)
          hint(invocation, `entry ${i + 1} of the file is no advert that verifies: ${safeText(read.reason)}`);
      }
      return waiting(invocation, 'looking up adverts', port.discover({ ...query, events, seconds }));
    }
  }
}

/** Nothing heard and nobody to hear are two things. */
async function refuseSilence(port: WalletPort): Promise<void> {
  const { relays } = await port.status();
  if (relays.some(({ connected }) => connected)) return;
  throw new Refused('no_relay', `no relay can be reached: ${relays.map(({ url }) => url).join(', ')}`);
}

/** Entries of a file: one JSON object, an array of them, or one a line; a link is an entry too. Throws Refused for anything else. */
function readEvents(path: string): unknown[] {
  const text = readFileText(path);
  const whole = parseJson(text);
  if (whole.ok) return Array.isArray(whole.value) ? whole.value : [whole.value];
  return text
    .split('\n')
    .filter(line => line.trim() !== '')
    .map((line, i) => {
      if (isLink(line)) return line.trim();
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
