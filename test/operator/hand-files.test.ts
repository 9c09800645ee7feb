import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { deliverAll, hasFailed, readSources, reportOf, tidy, writeComposed } from '../../src/operator/hand-files.ts';
import type { Brief, Composed, HandIn } from '../../src/shell/by-hand.ts';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'bh-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
const put = (path: string, text: string): string => {
  writeFileSync(path, text);
  return path;
};
const brief = (seq: number): Brief => ({
  id: 'f'.repeat(64),
  type: 'presence',
  seq,
  from: 'a'.repeat(64),
  to: 'b'.repeat(64),
  cohort: 'c'.repeat(64),
  created_at: 1,
});
const taken = (seq: number): HandIn<string> => ({ outcome: 'taken', message: brief(seq), told: ['done'] });
const lines = (all: Parameters<typeof reportOf<string>>[0]): string[] => reportOf(all, told => told);
const reading = (cwd: string, words: string[], input = '') => readSources(words, { cwd, stdin: async () => input });

describe('reading', () => {
  test('takes files as they are named, folders in the order of their names, and the standard input', async () => {
    const cwd = folder();
    mkdirSync(join(cwd, 'stick', 'inner'), { recursive: true });
    for (const name of ['000010-b.json', '000009-a.json', '.hidden']) put(join(cwd, 'stick', name), '{}');
    put(join(cwd, 'one.json'), '{}');
    const sources = await reading(cwd, ['one.json', 'stick', '-'], '{"a":1}\n{"b":2}\n');
    expect(sources.map(({ name, isFound }) => [name, isFound])).toEqual([
      ['one.json', false],
      ['stick/000009-a.json', true],
      ['stick/000010-b.json', true],
      ['-', false],
    ]);
    expect(sources.at(-1)!.content).toEqual({ ok: true, values: ['{"a":1}', '{"b":2}'] });
  });
  test('tells of a file that is missing, huge, or none, and goes on', async () => {
    const cwd = folder();
    truncateSync(put(join(cwd, 'huge'), ''), 17_000_000);
    const sources = await reading(cwd, ['missing', 'huge', put(join(cwd, 'bom'), '\uFEFF{}')]);
    expect(sources.map(({ content }) => (content.ok ? 'read' : content.field))).toEqual(['file', 'size', 'read']);
  });
});

describe('delivering', () => {
  test('goes on after what was refused, and fails for it', async () => {
    const cwd = folder();
    const sources = await reading(cwd, [put(join(cwd, 'a'), 'junk'), put(join(cwd, 'b'), '{"seq":2}')]);
    const done = await deliverAll(sources, async text => taken(JSON.parse(text).seq));
    expect(lines(done)).toEqual([
      `${join(cwd, 'a')}: refused: file: is not JSON: is it cut off, or no message?`,
      `${join(cwd, 'b')}: taken: presence (message 2): done`,
    ]);
    expect(done.map(hasFailed)).toEqual([true, false]);
  });
  test('delivers again what came too early, and nothing else', async () => {
    const cwd = folder();
    for (const seq of [3, 2, 1]) put(join(cwd, `${9 - seq}`), JSON.stringify({ seq }));
    let next = 1;
    const asked: number[] = [];
    const done = await deliverAll<string>(await reading(cwd, ['.']), async text => {
      const { seq } = JSON.parse(text) as { seq: number };
      asked.push(seq);
      if (seq !== next) return { outcome: 'idle', message: brief(seq), text: 'too early' };
      next++;
      return taken(seq);
    });
    expect(done.map(({ results }) => results[0]!.outcome)).toEqual(['taken', 'taken', 'taken']);
    expect(asked).toEqual([3, 2, 1, 3, 2, 3]);
  });
  test('gives up on what nothing follows from', async () => {
    const cwd = folder();
    put(join(cwd, 'a'), '{}');
    let asked = 0;
    const done = await deliverAll<string>(await reading(cwd, ['.']), async () => {
      asked++;
      return { outcome: 'idle', message: brief(1), text: 'over' };
    });
    expect(asked).toBe(1);
    expect(lines(done)).toEqual(['a: nothing to do: presence (message 1): over']);
    expect(done.some(hasFailed)).toBe(false);
  });
  test('tells of half a set of parts, and not of the parts of a whole one', async () => {
    const cwd = folder();
    const results: HandIn<string>[] = [
      { outcome: 'partial', have: 1, of: 2 },
      taken(1),
      { outcome: 'partial', have: 1, of: 3 },
      taken(2),
      { outcome: 'partial', have: 2, of: 3 },
    ];
    const text = results.map((_, i) => JSON.stringify({ i })).join('\n');
    const done = await deliverAll(await reading(cwd, ['-'], text), async value => results[JSON.parse(value).i]!);
    expect(done[0]!.results).toEqual([taken(1), results[2], taken(2), results[4]]);
    expect(hasFailed(done[0]!)).toBe(true);
    expect(lines(done).at(-1)).toContain('2 of 3 parts');
  });
  test('passes over what is for others in a folder, in one line, but not what was named', async () => {
    const cwd = folder();
    for (const name of ['a', 'b']) put(join(cwd, name), '{}');
    const other = async (): Promise<HandIn<string>> => ({ outcome: 'not_ours', field: 'to', text: 'for another' });
    const found = await deliverAll(await reading(cwd, ['.']), other);
    expect(found.some(hasFailed)).toBe(false);
    expect(lines(found)).toEqual(['2 files passed over: for others, or written here']);
    const named = await deliverAll(await reading(cwd, ['a']), other);
    expect(named.every(hasFailed)).toBe(true);
    expect(lines(named)).toEqual(['a: passed over: to: for another']);
  });
  test('a file cannot steer the terminal by its name', async () => {
    const cwd = folder();
    put(join(cwd, 'a\u001b[2J'), 'junk');
    expect(lines(await deliverAll(await reading(cwd, ['.']), async () => taken(1)))[0]).toMatch(/^a\?\[2J: refused/);
  });
  test('tidies away what was taken, and only that', async () => {
    const cwd = folder();
    const outcomes: Record<string, HandIn<string>> = {
      taken: taken(1),
      again: { outcome: 'again', message: brief(1), text: 'was taken before' },
      early: { outcome: 'idle', message: brief(1), text: 'too early' },
      held: { outcome: 'held', message: brief(1), text: 'elsewhere' },
      other: { outcome: 'not_ours', field: 'to', text: 'x' },
      bad: { outcome: 'refused', field: 'sig', text: 'x' },
    };
    for (const name of Object.keys(outcomes)) put(join(cwd, name), JSON.stringify({ name }));
    const done = await deliverAll(await reading(cwd, ['.']), async text => outcomes[JSON.parse(text).name]!);
    tidy(done, cwd);
    expect(Object.keys(outcomes).filter(name => existsSync(join(cwd, name)))).toEqual([
      'early',
      'held',
      'other',
      'bad',
    ]);
  });
});

describe('writing', () => {
  const composed = (linesOf: string[]): Composed => ({
    ...brief(7),
    form: 'plain',
    name: '000007-presence-to-bbbbbbbb-from-aaaaaaaa.plain.json',
    lines: linesOf,
    events: [],
  });
  test('makes a private file in a folder that it makes, over the same message', () => {
    const cwd = folder();
    expect(writeComposed('stick', cwd, composed(['{"old":1}']))).toBe(join('stick', composed([]).name));
    const path = join(cwd, writeComposed('stick', cwd, composed(['{"a":1}', '{"b":2}'])));
    expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n{"b":2}\n');
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
  test('says that a folder cannot be written', () => {
    const cwd = folder();
    put(join(cwd, 'file'), '');
    chmodSync(join(cwd, 'file'), 0o400);
    expect(() => writeComposed('file', cwd, composed(['{}']))).toThrow(/cannot be written/);
  });
});
