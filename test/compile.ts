import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface Manifest {
  version: string;
  imports: Record<string, { default: string }>;
}

/**
 * Compiles a program (a path from the root, such as `src/main.ts`) into a folder of its own, since Node 20 runs no
 * TypeScript, and returns its path and the way to remove it. `dist` is left alone: what is there may be older than the
 * source, or somebody may be using it.
 */
export function compile(program: string): { script: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'btcr2-program-'));
  const { version, imports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;
  // What Node takes for `#…`: imported by no name, and compiled beside the program here.
  const own = Object.entries(imports).map(([name, to]) => [name, to.default.replace('./dist/', './src/')] as const);
  const files = [program, ...own.map(([, to]) => to.replace(/\.js$/, '.ts'))].map(file => join(ROOT, file));
  const compilerOptions = { outDir: folder, rootDir: ROOT, noCheck: true, declaration: false, sourceMap: false };
  const config = join(folder, 'tsconfig.json');
  const options = { ...compilerOptions, types: [] };
  writeFileSync(
    config,
    JSON.stringify({ extends: join(ROOT, 'tsconfig.json'), compilerOptions: options, include: [], files }),
  );
  execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', config]);
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const manifest = { type: 'module', version, imports: Object.fromEntries(own) };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
  return {
    script: join(folder, program.replace(/\.ts$/, '.js')),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
