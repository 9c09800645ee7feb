import { fields } from '../../../operator/terminal.ts';
import { type Command, EXIT, isSet, NETWORKING } from '../command.ts';
import { paintOf, waiting, writeJson } from '../io.ts';
import { withWallet } from '../open.ts';
import { savedFields } from './state.ts';

export const statePush: Command = {
  name: 'state push',
  arguments: [],
  summary: "save the wallet's state on its relays now",
  details: [
    'Also without state.on_relays. Asks relays for every piece, and puts back what they lost.',
    '',
    'A wallet stops saving where relays show a state that another wallet of the same words wrote, or a later one of its own: then',
    'two of them are at work, or its database is an old copy. Find the other one first, and let only one run. If this is the',
    'one that stays, --take-over writes over what the other saved, and the other stops. What only that one had is lost: to',
    'keep it, make a new wallet of the words and let it `restore --from-relays`.',
  ].join('\n'),
  options: {
    'take-over': { type: 'boolean', help: 'write over what another wallet of these words saved' },
    ...NETWORKING,
  },
  async run(invocation) {
    const takeOver = isSet(invocation, 'take-over');
    const saved = await withWallet(invocation, { online: false }, ({ port }) =>
      waiting(invocation, 'saving', port.saveState({ takeOver })),
    );
    if (invocation.json) writeJson(invocation, saved);
    else invocation.io.out.write(fields(savedFields(saved), paintOf(invocation)));
    return EXIT.ok;
  },
};
