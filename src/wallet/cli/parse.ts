import { parseArgs } from 'node:util';
import { COMMON, type Command, type Flags, type Options, toParseArgs, UsageError } from './command.ts';

/** Options that stand without a command. */
export const GLOBAL = {
  ...COMMON,
  version: { type: 'boolean', help: 'print the version' },
} as const satisfies Options;

/** What a command line asks for. */
export type CommandLine =
  | { wants: 'help'; command: Command | null; json: boolean }
  | { wants: 'version'; json: boolean }
  | { wants: 'run'; command: Command; flags: Flags; positionals: string[]; json: boolean };

/**
 * Reads a command line (without the program's name): options may stand anywhere, the command is the first word or two
 * that are none. Throws UsageError with one sentence that says what is wrong.
 */
export function parseCommandLine(argv: readonly string[], commands: readonly Command[]): CommandLine {
  const words = wordsOf(argv, commands);
  const json = argv.includes('--json');
  const found = findCommand(words, commands);
  if (found === null) return withoutCommand(argv, words, commands, json);
  const { command, length } = found;
  const { values, positionals } = strictly(argv, command);
  if (values.help === true) return { wants: 'help', command, json };
  const given = positionals.slice(length);
  const wanted = command.arguments;
  if (given.length < wanted.length)
    throw new UsageError(`${command.name} needs ${wanted.slice(given.length).join(' and ')}`, command.name);
  if (given.length > wanted.length && !wanted.at(-1)?.endsWith('…'))
    throw new UsageError(`${command.name} does not take ${JSON.stringify(given[wanted.length])}`, command.name);
  return { wants: 'run', command, flags: values, positionals: given, json };
}

function findCommand(
  words: readonly string[],
  commands: readonly Command[],
): { command: Command; length: number } | null {
  for (const length of [2, 1]) {
    const command = commands.find(({ name }) => name === words.slice(0, length).join(' '));
    if (command !== undefined) return { command, length };
  }
  return null;
}

function withoutCommand(
  argv: readonly string[],
  words: readonly string[],
  commands: readonly Command[],
  json: boolean,
): CommandLine {
  const [first] = words;
  if (first === 'help') {
    const topic = words.slice(1);
    if (topic.length === 0) return { wants: 'help', command: null, json };
    const found = findCommand(topic, commands);
    if (found === null) throw new UsageError(`there is no command ${JSON.stringify(topic.join(' '))}`);
    return { wants: 'help', command: found.command, json };
  }
  const group = commands.filter(({ name }) => name.startsWith(`${first} `));
  if (group.length > 0) throw new UsageError(`${first} needs one of: ${group.map(({ name }) => name).join(', ')}`);
  if (first !== undefined) throw new UsageError(`there is no command ${JSON.stringify(first)}`);
  if (argv.includes('--version')) return { wants: 'version', json };
  if (argv.includes('--help') || argv.includes('-h')) return { wants: 'help', command: null, json };
  throw new UsageError(argv.length === 0 ? 'no command' : 'no command: options belong to one');
}

/** The words that are neither options nor their values, as far as that can be told before the command is known. */
function wordsOf(argv: readonly string[], commands: readonly Command[]): string[] {
  const all: Options = Object.assign({}, ...commands.map(command => command.options), GLOBAL);
  const { positionals } = parseArgs({
    args: [...argv],
    options: toParseArgs(all),
    strict: false,
    allowPositionals: true,
  });
  return positionals;
}

function strictly(argv: readonly string[], command: Command): { values: Flags; positionals: string[] } {
  try {
    return parseArgs({
      args: [...argv],
      options: toParseArgs({ ...command.options, ...COMMON }),
      strict: true,
      allowPositionals: true,
    });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(firstSentence(error.message), command.name);
  }
}

/** The rest of what parseArgs says is advice about its own quoting rules. */
const firstSentence = (text: string): string => text.split(/\. |\n/)[0]!.replace(/\.$/, '');
