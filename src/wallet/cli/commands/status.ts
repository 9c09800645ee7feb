import {
  type Cell,
  fields,
  plural,
  relativeTime,
  safeText,
  shortId,
  table,
  thousands,
} from '../../../operator/terminal.ts';
import type { CohortView, WalletStatus } from '../../api.ts';
import { type Command, EXIT, NETWORKING } from '../command.ts';
import { companionRows } from '../companion-rows.ts';
import { paintOf, type Reader, writeJson } from '../io.ts';
import { blameText } from '../news.ts';
import { hasCompanion, homeOf, withWallet } from '../open.ts';
import type { WalletPort } from '../port.ts';
import { didTable } from './did-list.ts';

export const status: Command = {
  name: 'status',
  arguments: [],
  summary: 'show relays, chain, cohorts, signals and DIDs',
  options: NETWORKING,
  async run(invocation) {
    const { isRunning, now } = await withWallet(invocation, { online: false }, async ({ port, isRunning }) => ({
      isRunning,
      now: await statusWithTip(port),
    }));
    if (invocation.json) writeJson(invocation, { running: isRunning, home: homeOf(invocation), ...now });
    else invocation.io.out.write(statusText(now, { home: homeOf(invocation), isRunning }, invocation));
    return EXIT.ok;
  },
};

const TIP_MS = 2_000;
const LOOK_MS = 50;

/** A wallet that was opened for this command alone needs a moment to see the chain; one whose node is down never does. */
async function statusWithTip(port: WalletPort): Promise<WalletStatus> {
  for (const deadline = Date.now() + TIP_MS; ; await new Promise(resolve => setTimeout(resolve, LOOK_MS))) {
    const now = await port.status();
    if (now.chain.height !== null || now.chain.kind === 'none' || Date.now() > deadline) return now;
  }
}

function statusText(
  now: WalletStatus,
  where: { home: string; isRunning: boolean },
  reader: Pick<Reader, 'io'>,
): string {
  const paint = paintOf(reader);
  const { relays, chain, cohorts, dids } = now;
  const head = fields(
    [
      ['wallet', `${where.home} on ${now.network}`],
      [
        'process',
        where.isRunning
          ? 'running'
          : hasCompanion(now) && cohorts.every(({ companion }) => companion)
            ? 'not running: the companion answers rounds'
            : { text: 'not running: nobody answers rounds; see btcr2-wallet run', style: 'yellow' },
      ],
      ...relays.map(({ url, connected }, i): [string, Cell] => [
        i === 0 ? 'relays' : '',
        where.isRunning
          ? { text: `${url} ${connected ? 'connected' : 'not connected'}`, style: connected ? 'green' : 'yellow' }
          : url,
      ]),
      [
        'doubt',
        now.doubt && {
          text: `put back from a copy: nothing new is signed for DIDs at ${plural(now.doubt.addresses.length, 'address', 'addresses')} until the chain has settled what may have been signed; see btcr2-wallet trust-copy --help`,
          style: 'yellow',
        },
      ],
      ['relays', relays.length === 0 ? 'none: messages are carried by hand' : null],
      ...(now.companion === null || (now.companion.role === 'owner' && now.companion.phase === 'ended')
        ? []
        : companionRows(now.companion, reader)),
      ['state on relays', savedText(now)],
      ['chain', `${chain.kind}${chain.height === null ? '' : `, block ${thousands(chain.height)}`}`],
    ],
    paint,
  );
  const names = new Map(cohorts.map(({ cohort, advert_id }) => [cohort, advert_id]));
  const parts = [
    head,
    ...cohorts.map(view => cohortText(view, reader)),
    ...(dids.length === 0 ? [] : [didTable(dids, names, reader)]),
  ];
  return parts.join('\n');
}

/** Nothing for a wallet that saves nothing there. */
function savedText({ saved, seeded }: WalletStatus): Cell | null {
  if (!saved || (!saved.on && saved.counter === 0)) return null;
  if (!seeded) return { text: 'not saved: these keys have no seed, so nothing could be read back', style: 'red' };
  if (saved.stopped) return { text: safeText(saved.stopped.text), style: 'red' };
  if (saved.forgotten) return 'deleted; nothing is saved before btcr2-wallet state push';
  const { counter, relays, needed } = saved;
  const holding = relays.filter(relay => relay.counter === counter && counter > 0).length;
  if (saved.saved) return { text: `saved (${counter}) on ${plural(holding, 'relay')}`, style: 'green' };
  const why = counter === 0 ? '' : holding < needed ? `: ${holding} of ${needed} relays hold it` : ': it changed';
  return { text: `not saved yet${why}`, style: 'yellow' };
}

/** Only what is not as it should be. */
function transportText({ transport, advert_id }: CohortView): Cell | null {
  switch (transport) {
    case 'here':
      return null;
    case 'asked':
      return { text: 'a new one, that the aggregator has not answered yet', style: 'yellow' };
    case 'lost':
      return { text: `lost: nothing can be sent or read; see btcr2-wallet rebind ${advert_id}`, style: 'red' };
  }
}

/** Who goes, and how far the end is; nothing for a cohort that goes on with everybody. */
function standingRows({ status, leaving, phase, advert_id }: CohortView): [string, Cell][] {
  if (phase !== 'ready') return [];
  const { succession, gone } = status ?? { succession: null, gone: [] };
  const rows: [string, string | null][] = [
    ['leaving', leaving ? `said; it signs on until the cohort ends` : null],
    ['gone', gone.length === 0 ? null : `${plural(gone.length, 'member')}; see btcr2-wallet exit ${advert_id}`],
    ['ends', succession && `${succession.stage}; see btcr2-wallet succession ${advert_id}`],
  ];
  return rows.flatMap(([name, text]) => (text === null ? [] : [[name, { text, style: 'yellow' as const }]]));
}

/** Signals that are shown; `--json` has all of them. */
const LATEST = 5;

function cohortText(view: CohortView, reader: Pick<Reader, 'io'>): string {
  const paint = paintOf(reader);
  const { terms, signals, open_sessions, last_abort, recoveries = [] } = view;
  const head = fields(
    [
      ['cohort', { text: view.advert_id, style: 'bold' }],
      ['id', view.cohort],
      ['phase', safeText(view.phase)],
      ['seat', view.companion === undefined ? null : 'held by the companion, which answers rounds'],
      ['transport key', transportText(view)],
      ...standingRows(view),
      ['members', view.members === null ? null : String(view.members)],
      ['beacon', view.beacon_address === null ? null : `${terms.type} ${view.beacon_address}`],
      ['aggregator', view.aggregator],
      ['signals', signals.length === 0 ? null : thousands(signals.length)],
      ...recoveries.map(({ txid, signal }): [string, Cell] => [
        'recovery key',
        signal === null
          ? { text: `took money from this beacon, by ${txid}: no member agreed to that`, style: 'yellow' }
          : { text: `published ${signal} under this beacon, by ${txid}: no member agreed to that`, style: 'red' },
      ]),
      ...open_sessions.map(({ session_id, round, attempt, txid }): [string, Cell] => [
        'open session',
        `${shortId(session_id)}: round ${round}, attempt ${attempt}, ${txid}`,
      ]),
      [
        'last abort',
        last_abort === null
          ? null
          : `round ${last_abort.round}: ${last_abort.text} (${last_abort.reason}), ${relativeTime(last_abort.at, reader.io.now())}${blameText(last_abort)}`,
      ],
    ],
    paint,
  );
  if (signals.length === 0) return head;
  const rows = signals
    .slice(-LATEST)
    .map(signal => [
      shortId(signal.signal_bytes),
      signal.status,
      signal.height === null ? '' : thousands(signal.height),
      String(signal.dids_proven),
      signal.txid ?? '',
      ...(terms.type === 'CASBeacon' ? [signal.map_cid ?? ''] : []),
    ]);
  const columns = [
    { title: 'SIGNAL' },
    { title: 'STATUS' },
    { title: 'BLOCK', align: 'right' as const },
    { title: 'DIDS PROVEN', align: 'right' as const },
    { title: 'TRANSACTION' },
    ...(terms.type === 'CASBeacon' ? [{ title: 'MAP' }] : []),
  ];
  return head + table(columns, rows, paint);
}
