import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** All numbers of faults, the lettered ones behind theirs. */
const NUMBERS = Array.from({ length: 64 }, (_, i) => String(i + 1)).flatMap(number =>
  number === '35' ? ['35', '35a', '35b'] : number === '55' ? ['55', '55a'] : [number],
);

interface Row {
  fault: string;
  outcome: string;
  file: string;
  title: string;
}

const rows: Row[] = [...readFileSync(here('faults.md'), 'utf8').matchAll(/^\| (\d.*) \|$/gm)].map(match => {
  const [fault, outcome, file, title, ...rest] = match[1]!.split(' | ');
  if (!fault || outcome === undefined || !file || !title || rest.length) throw new Error(`no row: ${match[0]}`);
  return { fault, outcome: outcome.trim(), file: file.replaceAll('`', ''), title };
});

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** The title of a test or group in its source, and the comment lines directly above it; null if there is none. */
function namingOf(source: string, title: string): string | null {
  const lines = source.split('\n');
  const opening = new RegExp(`(?:(?:test|describe)(?:\\.\\w+)*(?:<.*>)?\\(|^\\s*|\\)\\()(['"\`])${escaped(title)}\\1,`);
  const at = lines.findIndex(line => opening.test(line));
  const start = lines.findLastIndex((line, i) => i <= at && /^\s*(?:test|describe)(?:\.\w+)*[(<]/.test(line));
  if (start < 0) return null;
  let above = start;
  while (above > 0 && /^\s*\/\//.test(lines[above - 1]!)) above--;
  return [...lines.slice(above, start), title].join('\n');
}

/** Whether a text names a fault: "fault 5", "faults 22 and 48", "faults 1 to 3, 8 to 12, 40". */
function names(text: string, fault: string): boolean {
  return [...text.matchAll(/faults? (\d+[ab]?(?:(?:, | and | to )\d+[ab]?)*)/g)].some(([, list]) =>
    list!.split(/, | and /).some(part => {
      const [from, to = from] = part.split(' to ');
      return part === fault || (part.includes(' to ') && Number(from) <= Number(fault) && Number(fault) <= Number(to));
    }),
  );
}

test('every fault has its outcome and a proof, in order, and none is unknown', () => {
  const inOrder = [...new Set(rows.map(({ fault }) => fault))];
  expect(inOrder).toEqual(NUMBERS);
  for (const fault of NUMBERS) expect(rows.find(row => row.fault === fault)!.outcome, fault).not.toBe('');
});

test('every proof is a test that is there, and names the fault', () => {
  const wrong = rows.flatMap(({ fault, file, title }) => {
    if (!/\.(test|torture)\.ts$/.test(file) || !existsSync(here(file))) return [`${fault}: no file ${file}`];
    const naming = namingOf(readFileSync(here(file), 'utf8'), title);
    if (naming === null) return [`${fault}: no test "${title}" in ${file}`];
    return names(naming, fault) ? [] : [`${fault}: "${title}" in ${file} does not name it`];
  });
  expect(wrong).toEqual([]);
});

test('docs/SECURITY.md names only tests that are there', () => {
  const document = readFileSync(here('../docs/SECURITY.md'), 'utf8');
  const named = [...document.matchAll(/`([\w/-]+\.(?:test|torture)\.ts)`/g)].map(match => match[1]!);
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter(file => !existsSync(here(file)))).toEqual([]);
});

test('the check sees what it looks for', () => {
  const source = "// faults 7, 35a and 40\ntest.each([\n  1,\n])('one %s', () => {\n});\ntest('two', () => {});\n";
  expect(namingOf(source, 'three')).toBeNull();
  const one = namingOf(source, 'one %s')!;
  expect(['7', '35a', '40', '35', '4', '70'].map(fault => names(one, fault))).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
  expect(names(namingOf(source, 'two')!, '7')).toBe(false);
  expect(names('stops nobody (faults 1 to 3, 40)', '2')).toBe(true);
  expect(names('stops nobody (faults 1 to 3, 40)', '4')).toBe(false);
});
