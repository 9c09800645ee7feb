import { textOf, writeComposed } from '../../../operator/hand-files.ts';
import { plural, safeText } from '../../../operator/terminal.ts';
import { type Command, EXIT, isSet, NETWORKING, textFlag, UsageError } from '../command.ts';
import { hint, writeJson, writeLines } from '../io.ts';
import { withWallet } from '../open.ts';
import { findCohort } from '../refs.ts';

export const compose: Command = {
  name: 'compose',
  arguments: [],
  summary: 'write messages to files, to be carried to the aggregator by hand',
  details: [
    'One file a message, named by sequence, type, recipient and sender: what no relay took and no file has yet, and every',
    'request that was not answered. Encrypted, a file holds the events that a relay would carry; --plain writes the signed',
    'envelope itself, which anybody can read and nobody can alter. The other side takes either: btcr2-aggregator deliver.',
  ].join('\n'),
  options: {
    to: { type: 'string', value: 'DIR|-', help: 'the folder, made if it is not there (.); - prints the messages' },
    plain: { type: 'boolean', help: 'not encrypted' },
    cohort: { type: 'string', value: 'COHORT', help: 'only to the aggregator of this cohort' },
    message: { type: 'string', value: 'ID', help: 'one message: its sequence number or id' },
    all: { type: 'boolean', help: 'also what was written or sent before' },
    ...NETWORKING,
  },
  async run(invocation) {
    const { json, io } = invocation;
    const to = textFlag(invocation, 'to') ?? '.';
    const named = textFlag(invocation, 'cohort');
    const message = textFlag(invocation, 'message');
    if (to === '-' && json) throw new UsageError('--to - prints the messages themselves: without --json', 'compose');
    return withWallet(invocation, { online: false }, async ({ port }) => {
      const { cohorts } = await port.status();
      const composed = await port.compose({
        form: isSet(invocation, 'plain') ? 'plain' : 'encrypted',
        ...(isSet(invocation, 'all') ? { all: true } : {}),
        ...(message === undefined ? {} : { message }),
        ...(named === undefined ? {} : { cohort: findCohort(named, cohorts).cohort }),
      });
      const files = to === '-' ? [] : composed.map(one => writeComposed(to, io.cwd, one));
      if (to === '-') io.out.write(composed.map(textOf).join(''));
      // Only what is written counts as written.
      await port.composed({ events: composed.flatMap(({ events }) => events) });
      if (to === '-') return EXIT.ok;
      if (json)
        writeJson(
          invocation,
          composed.map(({ lines: _, ...told }, i) => ({ ...told, file: files[i] })),
        );
      else writeLines(invocation, files.map(safeText));
      if (files.length === 0) hint(invocation, 'nothing waits to be written; --all writes everything again');
      else hint(invocation, `${plural(files.length, 'message')}; on the other side: btcr2-aggregator deliver`);
      return EXIT.ok;
    });
  },
};
