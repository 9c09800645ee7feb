import { resolve } from 'node:path';
import { plural } from '../../../operator/terminal.ts';
import { type Command, EXIT, NETWORKING, textFlag } from '../command.ts';
import { replaceFile } from '../files.ts';
import { hint, writeJson, writeLines } from '../io.ts';
import { withWallet } from '../open.ts';

export const recovery: Command = {
  name: 'recovery',
  arguments: [],
  summary: 'write what has to be kept beside the words of a seed',
  details: [
    'DIDs with their genesis documents and updates, and for each cohort its advert, its address and the public key by which',
    'the aggregator knows this wallet. It holds no secret key, but everything that the DIDs say. Write it anew after every',
    'join, DID and update: an update that it lacks nobody else has, and its DID would not resolve any more.',
    '',
    'With the words, `init --restore` and `restore --recovery FILE` make a wallet of it that can do all but sign rounds of old cohorts.',
  ].join('\n'),
  options: {
    out: { type: 'string', short: 'o', value: 'FILE', help: 'write to a file (mode 0600), over one that is there' },
    ...NETWORKING,
  },
  async run(invocation) {
    const out = textFlag(invocation, 'out');
    const { data, seeded } = await withWallet(invocation, { online: false }, async ({ port }) => ({
      data: await port.recovery(),
      seeded: (await port.status()).seeded,
    }));
    if (!seeded) hint(invocation, 'this wallet has no seed: without keys.json this file restores nothing');
    if (out === undefined) {
      if (invocation.json) writeJson(invocation, data);
      else writeLines(invocation, [JSON.stringify(data, null, 2)]);
      return EXIT.ok;
    }
    const file = resolve(invocation.io.cwd, out);
    replaceFile(file, `${JSON.stringify(data, null, 2)}\n`);
    const counts = { dids: data.dids.length, cohorts: data.cohorts.length };
    if (invocation.json) writeJson(invocation, { file, ...counts });
    else writeLines(invocation, [`wrote ${file}: ${plural(counts.dids, 'DID')}, ${plural(counts.cohorts, 'cohort')}`]);
    return EXIT.ok;
  },
};
