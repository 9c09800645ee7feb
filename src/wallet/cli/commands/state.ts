import { type Cell, fields, plural, safeText, table, thousands } from '../../../operator/terminal.ts';
import type { SavedView } from '../../api.ts';
import { HOLDS } from '../../saved/choose.ts';
import { type Command, EXIT, NETWORKING } from '../command.ts';
import { paintOf, waiting, writeJson } from '../io.ts';
import { withWallet } from '../open.ts';

export const state: Command = {
  name: 'state',
  arguments: [],
  summary: "show what relays hold of the wallet's state",
  details: [
    'DIDs, updates, proofs and memberships, encrypted to a key of the seed (state.on_relays): what `restore --from-relays` puts',
    'back. Asks every relay for every piece. Exit code 1 if it is not saved as it should be.',
  ].join('\n'),
  options: NETWORKING,
  async run(invocation) {
    const now = await withWallet(invocation, { online: false }, ({ port }) =>
      waiting(invocation, 'asking the relays', port.savedState()),
    );
    if (invocation.json) writeJson(invocation, now);
    else {
      const paint = paintOf(invocation);
      const rows = now.found.map(({ relay, holds, counter, missing }) => [
        relay,
        counter === null ? '' : String(counter),
        `${HOLDS[holds]}${missing > 0 ? ` (${plural(missing, 'piece')})` : ''}`,
      ]);
      const columns = [{ title: 'RELAY' }, { title: 'STATE', align: 'right' as const }, { title: 'IT' }];
      invocation.io.out.write(fields(savedFields(now), paint) + table(columns, rows, paint));
    }
    return now.saved ? EXIT.ok : EXIT.failed;
  },
};

/** What the wallet remembers of its state on relays, for people. */
export function savedFields(saved: SavedView): [string, Cell | null][] {
  const { on, counter, chunks, bytes, needed, stopped, forgotten } = saved;
  return [
    ['by itself', on ? 'yes' : 'no (state.on_relays)'],
    [
      'last written',
      counter === 0 ? 'never' : `state ${counter}, ${plural(chunks, 'piece')}, ${thousands(bytes)} bytes`,
    ],
    [
      'saved',
      saved.saved
        ? { text: `yes, on ${plural(needed, 'relay')} or more`, style: 'green' }
        : { text: 'no', style: 'yellow' },
    ],
    ['stopped', stopped && { text: safeText(stopped.text), style: 'red' }],
    ['deleted', forgotten ? 'nothing is saved before btcr2-wallet state push' : null],
  ];
}
