import { type Delivered, deliverAll, hasFailed, readSources, reportOf, tidy } from '../../../operator/hand-files.ts';
import { plural } from '../../../operator/terminal.ts';
import type { HandNews } from '../../api.ts';
import { type Command, EXIT, isSet, NETWORKING } from '../command.ts';
import { hint, waiting, writeJson, writeLines } from '../io.ts';
import { cohortOf, describeNews } from '../news.ts';
import { withWallet } from '../open.ts';
import type { WalletPort } from '../port.ts';

export const deliver: Command = {
  name: 'deliver',
  arguments: ['FILE|DIR|-…'],
  summary: 'take messages of the aggregator from files, and do what follows from them',
  details: [
    'Everything is checked as if it had come from a relay. One line a file says what became of it; what is refused stops no',
    'other, and nothing is done twice. Files may come in any order. In a folder, what is for somebody else is passed over.',
    '',
    'A request to sign a signal is taken beside a running wallet only: start `btcr2-wallet run` in a terminal of its own and',
    'keep it going until the round is over, since the secret nonces of a round are in its memory and nowhere else.',
    '',
    'Exit code 1 if a file was refused, was not whole, or has to be delivered again.',
  ].join('\n'),
  options: {
    tidy: { type: 'boolean', help: 'delete the files that were taken; what others are to take, or was refused, stays' },
    ...NETWORKING,
  },
  async run(invocation) {
    const { io, json } = invocation;
    const sources = await readSources(invocation.positionals, { cwd: io.cwd, stdin: io.stdin });
    return withWallet(invocation, { online: false }, async ({ port, isRunning }) => {
      const work = deliverAll(sources, text => port.deliver({ text, stays: isRunning }));
      const delivered = await waiting(invocation, 'delivering', work);
      if (isSet(invocation, 'tidy')) tidy(delivered, io.cwd);
      const waits = await port.compose({ form: 'encrypted' });
      const failed = delivered.some(hasFailed);
      if (json)
        writeJson(invocation, {
          files: delivered,
          to_compose: waits.map(({ lines: _, events: __, ...told }) => told),
        });
      else writeLines(invocation, await linesOf(delivered, port));
      if (delivered.length === 0) hint(invocation, 'no files there');
      hint(
        invocation,
        waits.length === 0
          ? 'nothing to carry back'
          : `next: btcr2-wallet compose: ${plural(waits.length, 'message')} to carry (${waits.map(({ type }) => type).join(', ')})`,
      );
      return failed ? EXIT.failed : EXIT.ok;
    });
  },
};

async function linesOf(delivered: readonly Delivered<HandNews>[], port: WalletPort): Promise<string[]> {
  const { cohorts, dids } = await port.status();
  const tell = (news: HandNews): string | null => {
    const cohort = cohorts.find(view => view.cohort === cohortOf(news));
    return describeNews(news, cohort, did => dids.find(own => own.did === did)?.name ?? did);
  };
  return reportOf(delivered, tell);
}
