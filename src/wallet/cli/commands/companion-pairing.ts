import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { qrText } from '../../../operator/qr.ts';
import { relativeTime, wantsColour } from '../../../operator/terminal.ts';
import { COMPANION_LINK_SCHEME } from '../../companion/link.ts';
import { type Command, EXIT, type Invocation, isSet, NETWORKING, timeFlag, UsageError } from '../command.ts';
import { hint, waiting, writeJson, writeLines } from '../io.ts';
import { withWallet } from '../open.ts';

export const open: Command = {
  name: 'companion open',
  arguments: [],
  summary: 'make this wallet, always on, the companion of another one, and show the string that pairs them',
  details: [
    'A companion holds the cohort key and answers rounds, so that the wallet with the keys of the DIDs can sleep. It starts',
    'as a wallet of its own (`init`, in another folder or on another machine) without DIDs and cohorts. Keep `btcr2-wallet run`',
    'going there, and show the string to its owner, who gives it to `btcr2-wallet companion pair`.',
    '',
    'The string is a secret: whoever uses it first owns the companion, for good. It is shown once; this command again makes',
    'another, until somebody has paired.',
  ].join('\n'),
  options: {
    expires: { type: 'string', value: 'TIME', help: 'how long the string is good for, such as 10min (1h)' },
    qr: { type: 'boolean', help: 'also draw it as a QR code' },
    ...NETWORKING,
  },
  async run(invocation) {
    const { json, io } = invocation;
    if (json && isSet(invocation, 'qr'))
      throw new UsageError('--qr draws for people: programs read the string', 'companion open');
    const expiresIn = timeFlag(invocation, 'expires', 'companion open');
    return withWallet(invocation, { online: false }, async ({ port, isRunning }) => {
      const opened = await port.companionOpen(expiresIn === undefined ? {} : { expiresIn });
      if (json) writeJson(invocation, opened);
      else {
        writeLines(invocation, [opened.link]);
        if (isSet(invocation, 'qr')) io.out.write(qrText(opened.link, { colour: wantsColour(io.out, io.env) }) ?? '');
      }
      hint(invocation, `good for one owner, ${relativeTime(opened.expires_at, io.now())} it is good for nothing`);
      if (!isRunning)
        hint(invocation, 'now keep `btcr2-wallet run` going: a companion that is not running helps nobody');
      return EXIT.ok;
    });
  },
};

export const pair: Command = {
  name: 'companion pair',
  arguments: ['STRING'],
  summary: 'take a companion: this wallet becomes its owner',
  details: `STRING is what \`companion open\` showed, or a file with it. One companion at a time.`,
  options: NETWORKING,
  run: invocation =>
    withWallet(invocation, { online: true }, async ({ port, isRunning }) => {
      const link = linkOf(invocation);
      const paired = await waiting(invocation, 'waiting for the companion', port.companionPair({ link }));
      if (invocation.json) writeJson(invocation, paired);
      else writeLines(invocation, [`paired with the companion ${paired.companion}`]);
      hint(invocation, 'next: btcr2-wallet companion policy --fee-cap SATS');
      if (!isRunning) hint(invocation, 'this wallet may sleep; whenever it runs it fetches what it missed');
      return EXIT.ok;
    }),
};

/** A file keeps the secret out of the list of processes. */
function linkOf({ positionals, io }: Invocation): string {
  const [word] = positionals;
  if (word!.startsWith(COMPANION_LINK_SCHEME)) return word!;
  const path = resolve(io.cwd, word!);
  try {
    if (statSync(path).size <= 10_000) return readFileSync(path, 'utf8');
  } catch {
    // Said below.
  }
  throw new UsageError(`companion pair takes a ${COMPANION_LINK_SCHEME} string, or a file with one`, 'companion pair');
}
