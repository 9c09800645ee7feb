import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { buildBrowser } from '../../scripts/build-browser.mjs';
import { removeDir, tempDir } from '../e2e/harness.ts';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));
const dir = tempDir();
afterAll(() => removeDir(dir));

function build(name: string, text: string): ReturnType<typeof buildBrowser> {
  const folder = join(dir, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"name":"entry","type":"module"}');
  const entry = join(folder, 'entry.ts');
  writeFileSync(entry, text);
  return buildBrowser({ entry, outDir: folder });
}

test('one file with the pure JavaScript curve, its sizes told', { timeout: 60_000 }, async () => {
  const { file, bytes, gzipped } = await buildBrowser({ outDir: dir });
  const code = readFileSync(file, 'utf8');
  expect(bytes).toBe(Buffer.byteLength(code));
  expect(gzipped).toBeLessThan(bytes);
  expect(code).not.toMatch(/\bfrom\s*"|\bimport\s*\(|secp256k1\.wasm|node:/);
});

test.each([
  [
    'a module of Node',
    `import { sep } from 'node:path';\nexport const x = sep;\n`,
    /node:path, which browsers do not have/,
  ],
  ['one by its old name', `import { sep } from 'path';\nexport const x = sep;\n`, /path, which browsers do not have/],
  ['a room that runs on Node', `export * from '${SRC}/chain/index.ts';\n`, /rpc\.ts imports node:/],
  ['a package that runs on Node', `export { WebSocket } from 'ws';\n`, /ws, which runs on Node only/],
  ['a global of Node', 'export const x = (text: string) => Buffer.from(text);\n', /uses Buffer\.from/],
])('refuses %s', { timeout: 60_000 }, async (name, text, refusal) => {
  await expect(build(name.replaceAll(' ', '-'), text)).rejects.toThrow(refusal);
});
