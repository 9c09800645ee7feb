import { describe, expect, test } from 'vitest';
import { HELP, OptionError, readOptions } from '../../src/demo/options.ts';
import { choose } from '../../src/demo/plan.ts';

const formOf = (...args: string[]) => readOptions(args)?.form;
const plain = { type: 'SMTBeacon', privacy: 'none', flow: 'push', bit_order: 'spec' };

test('without options it is a tree in the open, pushed', () => {
  expect(readOptions([])).toEqual({
    form: plain,
    members: 3,
    dids: 2,
    rounds: 2,
    out: 'demo-output',
    stay: false,
    json: false,
  });
  expect(readOptions(['--help'])).toBeNull();
});

describe('the forms that go together', () => {
  test.each([
    [['--beacon', 'cas'], { ...plain, type: 'CASBeacon' }],
    [['--beacon', 'cas', '--flow', 'pull'], { ...plain, type: 'CASBeacon', flow: 'pull' }],
    [['--flow', 'pull'], { ...plain, flow: 'pull' }],
    [['--bit-order', 'lsb'], { ...plain, bit_order: 'lsb' }],
    [['--flow', 'pull', '--privacy', 'blinded'], { ...plain, flow: 'pull', privacy: 'blinded' }],
    [
      ['--flow', 'pull', '--privacy', 'blinded', '--bit-order', 'lsb'],
      { ...plain, flow: 'pull', privacy: 'blinded', bit_order: 'lsb' },
    ],
  ])('%j', (args, form) => {
    expect(formOf(...args)).toEqual(form);
  });
});

describe('is refused by name', () => {
  test.each([
    ['--privacy blinded', '--privacy blinded does not go with --flow push'],
    ['--privacy blinded --flow pull --beacon cas', '--privacy blinded does not go with --beacon cas'],
    ['--bit-order lsb --beacon cas', '--bit-order lsb does not go with --beacon cas'],
    ['--beacon singleton', '--beacon is smt or cas, not "singleton"'],
    ['--members 1', '--members is a whole number from 2 to 100, not "1"'],
    ['--rounds two', '--rounds is a whole number from 1 to 50'],
    ['--out=', '--out names a folder'],
    ['--colour red', '--colour'],
  ])('%s', (line, text) => {
    const read = (): unknown => readOptions(line.split(' '));
    expect(read).toThrow(OptionError);
    expect(read).toThrow(text);
  });
});

test('every option stands in the help', () => {
  for (const name of ['members', 'dids', 'rounds', 'beacon', 'flow', 'privacy', 'bit-order', 'out', 'stay', 'json'])
    expect(HELP).toContain(`  --${name}`);
});

test('no round is empty, the first DID has two versions, and the last one none', () => {
  for (const size of [
    { members: 2, dids: 1, rounds: 1 },
    { members: 3, dids: 2, rounds: 2 },
    { members: 2, dids: 1, rounds: 7 },
  ]) {
    const rounds = Array.from({ length: size.rounds }, (_, i) => choose(i + 1, size));
    for (const chosen of rounds) expect(chosen.length).toBeGreaterThan(0);
    const all = rounds.flat().map(([wallet, did]) => `${wallet} ${did}`);
    expect(all.filter(choice => choice === '0 0')).toHaveLength(Math.min(2, size.rounds));
    expect(all).not.toContain(`${size.members - 1} ${size.dids - 1}`);
  }
});
