import { type Command, EXIT, NETWORKING, Refused } from '../command.ts';
import { writeJson, writeLines } from '../io.ts';
import { withWallet } from '../open.ts';

export const trustCopy: Command = {
  name: 'trust-copy',
  arguments: [],
  summary: 'end the doubt of a wallet that was put back from a copy',
  details: [
    'Only if you know that the wallet signed no update after the copy was made: not in a round, and not by its own beacon. If it',
    'did, the next update of that DID may be the second of its version, which ends the DID for good. Nobody can undo that.',
  ].join('\n'),
  options: {
    'nothing-was-signed': { type: 'boolean', help: 'say that you know it; without it nothing happens' },
    ...NETWORKING,
  },
  run: invocation =>
    withWallet(invocation, { online: false }, async ({ port }) => {
      if (invocation.flags['nothing-was-signed'] !== true)
        throw new Refused('not_confirmed', 'read btcr2-wallet trust-copy --help, then say --nothing-was-signed');
      const addresses = await port.trustCopy();
      if (invocation.json) writeJson(invocation, { addresses });
      else writeLines(invocation, addresses.length === 0 ? ['nothing was in doubt'] : ['nothing is in doubt any more']);
      return EXIT.ok;
    }),
};
