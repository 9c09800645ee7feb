import { parseArgs } from 'node:util';
import { nearest } from '../config/explain.ts';
import type { Paint } from './terminal.ts';

export interface OptionSpec {
  /** What stands for its value in the help, such as `URL`; without it the option is a switch. */
  readonly value?: string;
  /** May be given several times. */
  readonly many?: boolean;
  readonly short?: string;
  readonly help: string;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

export interface CommandSpec {
  /** One or two words: `run`, `advert create`. */
  readonly name: string;
  /** Such as `COHORT [ROUND]`: what stands in brackets may be left out; what ends in … may be repeated. */
  readonly operands?: string;
  readonly summary: string;
  /** More for its own help. */
  readonly text?: string;
  readonly options?: OptionSpecs;
}

export interface ProgramSpec {
  readonly name: string;
  readonly summary: string;
  /** Options of every command. */
  readonly common: OptionSpecs;
  readonly commands: readonly CommandSpec[];
  /** Stands under the help: exit codes, files. */
  readonly footer: string;
}

/** The options that were given. */
export interface Given {
  has(name: string): boolean;
  /** The value; the last one if it was given several times. */
  text(name: string): string | undefined;
  all(name: string): string[];
}

export type Invocation =
  | { type: 'help'; text: string }
  | { type: 'version' }
  | { type: 'command'; name: string; operands: string[]; given: Given };

/** What was typed makes no command; the message says what to type instead. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const ALWAYS: OptionSpecs = {
  help: { short: 'h', help: 'Show this help.' },
  version: { help: 'Show the version.' },
};

const optionsOf = (program: ProgramSpec, command?: CommandSpec): OptionSpecs => ({
  ...command?.options,
  ...program.common,
  ...ALWAYS,
});

const toConfig = (specs: OptionSpecs) =>
  Object.fromEntries(
    Object.entries(specs).map(([name, { value, many, short }]) => [
      name,
      {
        type: value === undefined ? ('boolean' as const) : ('string' as const),
        multiple: many === true,
        ...(short === undefined ? {} : { short }),
      },
    ]),
  );

type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

function givenOf(values: Values): Given {
  const all = (name: string): string[] =>
    [values[name] ?? []].flat().filter((value): value is string => typeof value === 'string');
  return { all, has: name => values[name] !== undefined, text: name => all(name).at(-1) };
}

/** Which command the words name, wherever options stand between them. */
function findCommand(program: ProgramSpec, words: readonly string[]): CommandSpec | null {
  const byName = (name: string) => program.commands.find(command => command.name === name);
  return byName(words.slice(0, 2).join(' ')) ?? byName(words[0] ?? '') ?? null;
}

function unknownCommand(program: ProgramSpec, words: readonly string[]): UsageError {
  const [first = '', second] = words;
  const group = program.commands.filter(command => command.name.startsWith(`${first} `)).map(command => command.name);
  if (group.length > 0) {
    const wrong = second === undefined ? '' : `there is no command "${first} ${second}"; `;
    const subcommands = group.map(name => name.slice(first.length + 1)).join(', ');
    return new UsageError(`${wrong}${program.name} ${first} needs one of: ${subcommands}`);
  }
  const typed = second === undefined ? first : `${first} ${second}`;
  const names = program.commands.map(command => command.name);
  const meant = nearest(typed, names) ?? nearest(first, names);
  const hint = meant === null ? '' : ` Did you mean \`${program.name} ${meant}\`?`;
  return new UsageError(`there is no command "${typed}".${hint} \`${program.name} help\` lists them`);
}

/** Node's own texts quote the value that was typed, which may be a secret: only the option's name is told. */
function optionError(error: unknown, specs: OptionSpecs, help: string): UsageError {
  const [, name] = /'(?:-\w, )?--?([\w-]+)/.exec(error instanceof Error ? error.message : '') ?? [];
  if (name === undefined) return new UsageError(`wrong options. See \`${help}\``);
  const spec = specs[name] ?? Object.values(specs).find(({ short }) => short === name);
  if (spec === undefined) {
    const meant = nearest(name, Object.keys(specs));
    return new UsageError(
      `there is no option --${name}${meant === null ? '' : `; did you mean --${meant}?`} See \`${help}\``,
    );
  }
  const needs = spec.value === undefined ? 'takes no value' : `needs a value: --${name} ${spec.value}`;
  return new UsageError(`--${name} ${needs}. See \`${help}\``);
}

function checkOperands(command: CommandSpec, operands: readonly string[], help: string): void {
  const wanted = (command.operands ?? '').split(' ').filter(word => word !== '');
  const isOpen = wanted.at(-1)?.endsWith('…') === true;
  const missing = wanted.filter(word => !word.startsWith('['))[operands.length];
  if (missing !== undefined) throw new UsageError(`${missing.replace('…', '')} is missing. See \`${help}\``);
  if (operands.length > wanted.length && !isOpen)
    throw new UsageError(`"${operands[wanted.length]}" is one word too many. See \`${help}\``);
}

/**
 * Reads what was typed behind the program's name. Throws UsageError for an unknown command or option, for an operand
 * that is missing or too many; its message never quotes an option's value.
 */
export function readCommandLine(program: ProgramSpec, argv: readonly string[], paint: Paint): Invocation {
  const every = Object.assign(
    {},
    ...program.commands.map(command => command.options),
    program.common,
    ALWAYS,
  ) as OptionSpecs;
  const loose = parseArgs({ args: [...argv], options: toConfig(every), strict: false, allowPositionals: true });
  const words = loose.positionals;
  const isHelp = words[0] === 'help';
  const named = isHelp ? words.slice(1) : words;
  const command = findCommand(program, named);
  if (command === null) {
    if (named.length > 0) {
      const group = program.commands.filter(({ name }) => name.startsWith(`${named[0]} `));
      if ((isHelp || loose.values.help === true) && group.length > 0)
        return { type: 'help', text: helpOf({ ...program, commands: group }, paint) };
      throw unknownCommand(program, named);
    }
    if (loose.values.version === true) return { type: 'version' };
    if (isHelp || loose.values.help === true) return { type: 'help', text: helpOf(program, paint) };
    throw new UsageError(`a command is missing. \`${program.name} help\` lists them`);
  }
  if (isHelp || loose.values.help === true) return { type: 'help', text: commandHelp(program, command, paint) };

  const specs = optionsOf(program, command);
  const help = `${program.name} help ${command.name}`;
  let parsed: { values: Values; positionals: string[] };
  try {
    parsed = parseArgs({ args: [...argv], options: toConfig(specs), strict: true, allowPositionals: true });
  } catch (error) {
    throw optionError(error, specs, help);
  }
  if (parsed.values.version === true) return { type: 'version' };
  const operands = parsed.positionals.slice(command.name.split(' ').length);
  checkOperands(command, operands, help);
  return { type: 'command', name: command.name, operands, given: givenOf(parsed.values) };
}

const usageOf = (program: ProgramSpec, { name, operands }: CommandSpec): string =>
  [program.name, name, operands].filter(part => part !== undefined && part !== '').join(' ');

const WIDTH = 100;

/** Breaks a text into lines of at most `width` letters. */
function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!;
    if (last !== '' && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}

function listing(rows: readonly (readonly [string, string])[], paint: Paint): string {
  const width = Math.min(32, Math.max(...rows.map(([left]) => left.length)));
  return rows
    .flatMap(([left, right]) => {
      const lines = wrap(right, WIDTH - width - 4);
      const isLong = left.length > width;
      const head = isLong ? [`  ${paint('bold', left)}`] : [`  ${paint('bold', left.padEnd(width))}  ${lines[0]}`];
      return [...head, ...(isLong ? lines : lines.slice(1)).map(line => `${' '.repeat(width + 4)}${line}`)];
    })
    .map(line => `${line.trimEnd()}\n`)
    .join('');
}

const optionRows = (specs: OptionSpecs): [string, string][] =>
  Object.entries(specs).map(([name, { value, short, many, help }]) => [
    `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`,
    many === true ? `${help} May be repeated.` : help,
  ]);

/** The help of a whole program. */
export function helpOf(program: ProgramSpec, paint: Paint): string {
  const commands = program.commands.map((command): [string, string] => [
    [command.name, command.operands].filter(Boolean).join(' '),
    command.summary,
  ]);
  return [
    `${program.summary}\n`,
    `${paint('bold', 'Usage:')} ${program.name} COMMAND [options]\n`,
    `${paint('bold', 'Commands:')}\n${listing([...commands, ['help [COMMAND]', 'Show what a command does.']], paint)}`,
    `${paint('bold', 'Options of every command:')}\n${listing(optionRows(optionsOf(program)), paint)}`,
    `${program.footer}\n`,
  ].join('\n');
}

function commandHelp(program: ProgramSpec, command: CommandSpec, paint: Paint): string {
  const own = optionRows(command.options ?? {});
  const parts = [
    `${paint('bold', 'Usage:')} ${usageOf(program, command)} [options]\n`,
    `${command.summary}\n`,
    ...(command.text === undefined ? [] : [`${command.text.trim()}\n`]),
    ...(own.length === 0 ? [] : [`${paint('bold', 'Options:')}\n${listing(own, paint)}`]),
    `${paint('bold', 'Options of every command:')}\n${listing(optionRows(optionsOf(program)), paint)}`,
    `${program.footer}\n`,
  ];
  return parts.join('\n');
}

const DURATION_UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, min: 60, h: 3_600, d: 86_400, w: 604_800 };

/** Seconds of `90`, `90s`, `15m`, `2h`, `1d`, `1w`; null for anything else. */
export function readDuration(text: string): number | null {
  const [, digits, unit = 's'] = /^(\d{1,9})(s|m|min|h|d|w)?$/.exec(text.trim()) ?? [];
  return digits === undefined ? null : Number(digits) * DURATION_UNITS[unit]!;
}

/** A whole number, with or without separators: `10000`, `10,000`, `10_000`; null for anything else. */
export function readInteger(text: string): number | null {
  const plain = text.trim();
  if (!/^\d{1,15}$|^\d{1,3}(?:[,_]\d{3}){1,4}$/.test(plain)) return null;
  return Number(plain.replace(/[,_]/g, ''));
}
