import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { builtScript } from '../operator/built.ts';

const run = (script: string, ...argv: string[]) =>
  spawnSync(process.execPath, [builtScript(script), ...argv], { encoding: 'utf8', timeout: 20_000 });

describe.each(['testing/relay-main.js', 'testing/regtest-main.js'])('%s', script => {
  test('--help says what it does, and starts nothing', () => {
    const { status, stdout, stderr } = run(script, '--help');
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^A .*\n\nUsage: npm run (relay|node)/);
  });

  test('a word that it does not know is a wrong usage, without where in the code it was found', () => {
    const { status, stdout, stderr } = run(script, '--colour');
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/--colour/);
    expect(stderr).toMatch(/Usage: /);
    expect(stderr).not.toMatch(/\n +at /);
  });
});

test('the relay takes a port that is one', () => {
  const { status, stderr } = run('testing/relay-main.js', '--port', 'http');
  expect([status, stderr]).toEqual([2, expect.stringMatching(/^--port takes a number up to 65535/)]);
});
