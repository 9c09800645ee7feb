import { type Command, EXIT, isSet, NETWORKING, Refused } from '../command.ts';
import { waiting, writeJson, writeLines } from '../io.ts';
import { withWallet } from '../open.ts';

export const stateForget: Command = {
  name: 'state forget',
  arguments: [],
  summary: 'empty what relays hold of the state, and ask them to delete it',
  details: [
    'Each piece is replaced by an empty one, and a deletion request (NIP-09) goes out. No relay can be made to forget, and whoever',
    'copied the pieces keeps them; without the words of the seed nobody reads them. Nothing is saved any more until `state push`.',
    'Keep what `btcr2-wallet recovery` writes: afterwards the words alone restore nothing but keys.',
  ].join('\n'),
  options: {
    yes: { type: 'boolean', help: 'say that you mean it; without it nothing happens' },
    ...NETWORKING,
  },
  async run(invocation) {
    if (!isSet(invocation, 'yes'))
      throw new Refused('not_confirmed', 'read btcr2-wallet state forget --help, then say --yes');
    const { relays } = await withWallet(invocation, { online: false }, ({ port }) =>
      waiting(invocation, 'deleting', port.forgetState()),
    );
    if (invocation.json) writeJson(invocation, { relays });
    else
      writeLines(
        invocation,
        relays.map(
          ({ url, emptied }) =>
            `${url} ${emptied ? 'shows nothing any more' : 'still shows something, or does not answer'}`,
        ),
      );
    return relays.every(({ emptied }) => emptied) ? EXIT.ok : EXIT.failed;
  },
};
