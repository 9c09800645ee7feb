import { COMMON, type Command, type Option, type Options } from './command.ts';

const PROGRAM = 'btcr2-wallet';
const INDENT = '  ';

/** Two columns, the second one aligned. */
function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `${INDENT}${left.padEnd(width)}  ${right}`.trimEnd());
}

const spelling = (name: string, { short, value, multiple }: Option): string =>
  `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}${multiple ? ' …' : ''}`;

const optionRows = (options: Options): [string, string][] =>
  Object.entries(options).map(([name, option]) => [spelling(name, option), option.help]);

/** The program's help: what it is, its commands, exit codes. */
export const programHelp = (commands: readonly Command[]): string =>
  [
    `${PROGRAM}: a wallet for did:btcr2 identifiers behind aggregate beacons`,
    '',
    `Usage: ${PROGRAM} COMMAND [options]`,
    '',
    'Commands:',
    ...columns([
      ...commands.map(({ name, arguments: words, summary }): [string, string] => [[name, ...words].join(' '), summary]),
      ['help [COMMAND]', 'this text, or the help of a command'],
    ]),
    '',
    'Options of every command:',
    ...columns([...optionRows(COMMON), ['--version', 'print the version']]),
    '',
    'DIDs may be given by name or by a unique beginning, cohorts by the id of their advert or a unique beginning.',
    `While \`${PROGRAM} run\` holds the wallet, the other commands work through it.`,
    'Settings: options, over BTCR2_WALLET_<KEY> in the environment, over wallet.toml in the wallet folder.',
    '',
    'Exit codes: 0 done; 1 refused or failed; 2 wrong usage or configuration.',
    '',
  ].join('\n');

/** The help of one command. */
export function commandHelp(command: Command): string {
  const { name, arguments: words, summary, details, options } = command;
  const rows = optionRows(options);
  return [
    `Usage: ${[PROGRAM, name, ...words].join(' ')} [options]`,
    '',
    `${summary[0]!.toUpperCase()}${summary.slice(1)}.`,
    ...(details === undefined ? [] : ['', details]),
    ...(rows.length === 0 ? [] : ['', 'Options:', ...columns(rows)]),
    '',
    'Options of every command:',
    ...columns(optionRows(COMMON)),
    '',
  ].join('\n');
}
