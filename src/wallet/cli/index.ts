import { createLogger } from '../../operator/logger.ts';
import { version } from '../../version.ts';
import { EXIT, type ExitCode } from './command.ts';
import { COMMANDS } from './commands/index.ts';
import { complaintLines, complaintOf } from './faults.ts';
import { commandHelp, programHelp } from './help.ts';
import { type Io, writeJson } from './io.ts';
import type { OpenWallet } from './open.ts';
import { parseCommandLine } from './parse.ts';

/**
 * Runs one command line (without node and script) and resolves to its exit code: 0 done, 1 refused or failed, 2 wrong
 * usage or configuration. Answers go to `io.out`, complaints to `io.err`; with `--json` both go to `io.out`, a complaint
 * as `{"error": {"code", "message", "detail"?}}`. Never throws.
 */
export async function runCli(argv: readonly string[], io: Io, openWallet: OpenWallet): Promise<ExitCode> {
  const json = argv.includes('--json');
  try {
    const line = parseCommandLine(argv, COMMANDS);
    switch (line.wants) {
      case 'version':
        if (json) writeJson({ io }, { version });
        else io.out.write(`${version}\n`);
        return EXIT.ok;
      case 'help': {
        const text = line.command === null ? programHelp(COMMANDS) : commandHelp(line.command);
        if (json) writeJson({ io }, { help: text });
        else io.out.write(text);
        return EXIT.ok;
      }
      case 'run': {
        const { command, flags, positionals } = line;
        return await command.run({
          flags,
          positionals,
          json,
          io,
          openWallet,
          log: level => createLogger({ level, format: json ? 'json' : 'text', stream: io.err, env: io.env }),
        });
      }
    }
  } catch (error) {
    const { fault, exit } = complaintOf(error);
    if (json) writeJson({ io }, { error: fault });
    else
      io.err.write(
        complaintLines(fault)
          .map(text => `${text}\n`)
          .join(''),
      );
    return exit;
  }
}
