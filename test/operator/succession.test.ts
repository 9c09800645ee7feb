import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { serveControl } from '../../src/operator/control.ts';
import { controlMethods } from '../../src/operator/methods.ts';
import { controlPath } from '../../src/operator/run.ts';
import { configIn, fakeApi } from './daemon.ts';
import { runHere } from './here.ts';

let dir: string;
let asked: unknown[][];
let close: () => Promise<void>;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'btcr2-end-'));
  await runHere(['init'], dir);
  const config = configIn(dir);
  const fake = fakeApi(config);
  ({ asked } = fake);
  mkdirSync(config.state_dir, { recursive: true, mode: 0o700 });
  ({ close } = await serveControl(controlPath(config.state_dir), controlMethods(fake.api, config)));
});
afterEach(async () => {
  await close();
  rmSync(dir, { recursive: true, force: true });
});

const cli = (...argv: string[]) => runHere(argv, dir);

test('export asks for one cohort, or for all, with a whole path', async () => {
  const { code, stdout } = await cli('export', 'demo', '--out', 'kept');
  expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('archive verify') });
  await cli('export', 'all', '--out', 'kept');
  expect(asked).toEqual([
    ['archiveExport', { cohort: 'demo', folder: join(dir, 'kept') }],
    ['archiveExport', { folder: join(dir, 'kept') }],
  ]);
});

describe('the end of a cohort, by the operator', () => {
  test('each command is one request', async () => {
    await cli('cohort', 'succeed', 'demo', '--advert', 'next', '--deadline-in', '2d', '--text', 'we move on');
    await cli('cohort', 'dissolve', 'demo');
    await cli('cohort', 'succession', 'demo');
    await cli('member', 'gone', 'demo', '02ab');
    await cli('member', 'gone', 'demo', '02ab', '--back');
    expect(asked).toEqual([
      ['cohortEnd', { cohort: 'demo', advert: 'next', deadline_in: 172_800, text: 'we move on' }],
      ['cohortEnd', { cohort: 'demo' }],
      ['cohortSuccession', { cohort: 'demo' }],
      ['memberMark', { cohort: 'demo', member: '02ab', gone: true }],
      ['memberMark', { cohort: 'demo', member: '02ab', gone: false }],
    ]);
  });

  test('a person reads the stage, what is waited for, and the next command', async () => {
    const { code, stdout } = await cli('cohort', 'succession', 'demo');
    expect(code).toBe(0);
    expect(stdout).toMatch(/stage +updating/);
    expect(stdout).toMatch(/successor +next: formed, 2 of 2–3, beacon bcrt1pnext/);
    expect(stdout).toMatch(/waits for +an update of did:btcr2:k1example/);
    expect(stdout).toMatch(/next +btcr2-aggregator round open demo/);
    expect(stdout).toMatch(/leaving +there/);
    expect(stdout).toContain('we move on');
    expect(JSON.parse((await cli('cohort', 'succession', 'demo', '--json')).stdout)).toMatchObject({
      stage: 'updating',
    });
  });

  test('what is missing or wrong is a usage error', async () => {
    expect(await cli('cohort', 'succeed', 'demo')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--advert'),
    });
    expect((await cli('cohort', 'dissolve', 'demo', '--deadline-in', 'soon')).code).toBe(2);
    expect((await cli('member', 'gone', 'demo')).code).toBe(2);
    expect(asked).toEqual([]);
  });
});
