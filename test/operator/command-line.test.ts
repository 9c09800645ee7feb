import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { advertSchema, schemasAt } from '../../src/config/schema.ts';
import {
  type ProgramSpec,
  readCommandLine,
  readDuration,
  readInteger,
  UsageError,
} from '../../src/operator/command-line.ts';
import { PROGRAM, TERM_FLAGS } from '../../src/operator/commands.ts';
import { painter } from '../../src/operator/terminal.ts';

const program: ProgramSpec = {
  name: 'tool',
  summary: 'A tool.',
  common: { json: { help: 'JSON.' }, config: { value: 'FILE', help: 'The file.' } },
  commands: [
    {
      name: 'go',
      summary: 'Go.',
      options: { fast: { help: 'Fast.' }, stop: { value: 'AT', many: true, help: 'Stops.' } },
    },
    { name: 'thing show', operands: 'ID [PART]', summary: 'Show.' },
    { name: 'thing list', summary: 'List.' },
  ],
  footer: 'Exit codes:',
};
const read = (...argv: string[]) => readCommandLine(program, argv, painter(false));
const refusal = (...argv: string[]): string => {
  try {
    read(...argv);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
  }
  return 'accepted';
};

describe('a command line', () => {
  test('names a command of one or two words, wherever the options stand', () => {
    for (const argv of [
      ['thing', 'show', 'x', '--json'],
      ['--json', 'thing', 'show', 'x'],
      ['--config', 'go', 'thing', '--json', 'show', 'x'],
    ]) {
      const call = read(...argv);
      expect(call).toMatchObject({ type: 'command', name: 'thing show', operands: ['x'] });
      expect(call.type === 'command' && call.given.has('json')).toBe(true);
    }
  });

  test('has options with one value, several, and none', () => {
    const call = read('go', '--stop', 'a', '--stop=b', '--fast');
    if (call.type !== 'command') throw new Error('no command');
    expect(call.given.all('stop')).toEqual(['a', 'b']);
    expect(call.given.text('stop')).toBe('b');
    expect(call.given.has('fast')).toBe(true);
    expect(call.given.has('json')).toBe(false);
    expect(call.given.text('config')).toBeUndefined();
  });

  test.each([
    [[], /^a command is missing/],
    [['gone'], /^there is no command "gone"\. Did you mean `tool go`\?/],
    [['thing'], /^tool thing needs one of: show, list$/],
    [['thing', 'shwo', 'x'], /^there is no command "thing shwo"; tool thing needs one of: show, list$/],
    [['thing', 'show'], /^ID is missing/],
    [['thing', 'show', 'a', 'b', 'c'], /^"c" is one word too many/],
    [['go', '--fats'], /^there is no option --fats; did you mean --fast\?/],
    [['go', '--stop'], /^--stop needs a value: --stop AT/],
    [['go', '--fast=yes'], /^--fast takes no value/],
    [['thing', 'list', '--fast'], /^there is no option --fast/],
  ])('%j is refused with what to type instead', (argv, expected) => expect(refusal(...argv)).toMatch(expected));

  test('a refusal quotes no value', () => {
    expect(refusal('go', '--fast=hunter2')).not.toContain('hunter2');
    expect(refusal('go', '--pass=hunter2')).not.toContain('hunter2');
  });

  test('help is there for the program, a group, and every command, however it is asked for', () => {
    for (const argv of [['help'], ['--help'], ['-h']]) {
      const help = read(...argv);
      expect(help).toMatchObject({ type: 'help' });
      expect(help.type === 'help' && help.text).toMatch(
        /thing show ID \[PART\] {2}Show\.[\s\S]*--config FILE[\s\S]*Exit codes:/,
      );
    }
    for (const argv of [
      ['help', 'go'],
      ['go', '--help'],
      ['go', '-h', '--stop', 'x'],
    ]) {
      const help = read(...argv);
      expect(help.type === 'help' && help.text).toMatch(
        /^Usage: tool go \[options\][\s\S]*--stop AT +Stops\. May be repeated\./,
      );
    }
    const group = read('thing', '--help');
    expect(group.type === 'help' && group.text).toContain('thing list');
    expect(group.type === 'help' && group.text).not.toContain('Go.');
    expect(read('--version')).toEqual({ type: 'version' });
  });
});

test.each([
  ['90', 90],
  ['90s', 90],
  ['15m', 900],
  ['2h', 7_200],
  ['1d', 86_400],
  ['1.5h', null],
  ['-1', null],
  ['', null],
])('the time %s is %j seconds', (text, seconds) => expect(readDuration(text)).toBe(seconds));

test.each([
  ['10000', 10_000],
  ['10,000', 10_000],
  ['10_000', 10_000],
  ['10.000', null],
  ['1e3', null],
  ['', null],
])('the number %s is %j', (text, number) => expect(readInteger(text)).toBe(number));

describe('the commands of the aggregator', () => {
  test.each(PROGRAM.commands.map(({ name }) => name))('%s has a help', name => {
    const help = readCommandLine(PROGRAM, [...name.split(' '), '--help'], painter(false));
    expect(help.type === 'help' && help.text).toMatch(
      new RegExp(`^Usage: btcr2-aggregator ${name}[\\s\\S]*Exit codes:[\\s\\S]*3  the daemon`),
    );
  });

  test('advert create has a flag for every term, and for no other', () => {
    const flagged = Object.values(TERM_FLAGS).map(({ path }) => path);
    for (const path of flagged) expect(schemasAt(path.split('.'), advertSchema), path).not.toEqual([]);
    const leaves = Object.entries(advertSchema.shape).flatMap(([key, schema]) => {
      const inner = schema instanceof z.ZodOptional ? schema.unwrap() : schema;
      const tables = inner instanceof z.ZodDiscriminatedUnion ? inner.options : [inner];
      return tables.flatMap(table =>
        table instanceof z.ZodObject ? Object.keys(table.shape).map(name => `${key}.${name}`) : [key],
      );
    });
    // There is one threshold only: nobody has to say it.
    const due = new Set(leaves.filter(path => path !== 'policy.threshold'));
    expect(flagged.sort()).toEqual([...due].sort());
  });
});
