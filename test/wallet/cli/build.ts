import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * Compiles the program into a folder of its own, since Node 20 runs no TypeScript, and returns its path and the way to
 * remove it. `dist` is left alone: what is there may be older than the source, or somebody may be using it.
 */
export function buildProgram(): { script: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'btcr2-wallet-build-'));
  const compilerOptions = { outDir: folder, rootDir: ROOT, noCheck: true, declaration: false, sourceMap: false };
  const files = ['src/wallet/main.ts', 'src/crypto/curve-tiny.ts', 'src/crypto/sha256-native.ts'].map(file =>
    join(ROOT, file),
  );
  const config = join(folder, 'tsconfig.json');
  writeFileSync(
    config,
    JSON.stringify({
      extends: join(ROOT, 'tsconfig.json'),
      compilerOptions: { ...compilerOptions, types: [] },
      include: [],
      files,
    }),
  );
  execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', config]);
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const imports = {
    '#curve': './src/crypto/curve-tiny.js',
    '#hasher': './src/smt/hasher-native.js',
    '#sha256': './src/crypto/sha256-native.js',
  };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', version, imports }));
  return { script: join(folder, 'src/wallet/main.js'), remove: () => rmSync(folder, { recursive: true, force: true }) };
}
