#!/usr/bin/env node
// Bundles the wallet SDK for browsers into one file, with nothing of Node in it, and tells its size.
import { existsSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BUILTINS = new Set(builtinModules);
/** Their browser twins are others, or there is none. */
const NODE_ONLY = ['ws', 'tiny-secp256k1', '@photostructure/sqlite', '@chainsafe/hashtree'];
const EMPTY = '\0nothing';

const manifest = folder => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

function packageOf(file) {
  let folder = dirname(file);
  while (!existsSync(join(folder, 'package.json')) || manifest(folder).name === undefined) folder = dirname(folder);
  return manifest(folder);
}

const isBuiltin = id => id.startsWith('node:') || BUILTINS.has(id);
const packageName = id => id.match(/^(?:@[^/]+\/)?[^/]+/)?.[0] ?? id;

/** Our own imports by the condition that bundlers for browsers go by, from the sources that dist is made of. */
const ownImports = {
  name: 'own-imports',
  enforce: 'pre',
  resolveId(id) {
    const target = id.startsWith('#') ? manifest(ROOT).imports[id]?.browser : undefined;
    return target && resolve(ROOT, target.replace('./dist/', './src/').replace(/\.js$/, '.ts'));
  },
};

/** Refuses what only Node has, where a package does not itself say (field `browser`) that it does without. */
const nothingOfNode = {
  name: 'nothing-of-node',
  enforce: 'pre',
  resolveId(id, importer) {
    if (NODE_ONLY.includes(packageName(id))) throw new Error(`${importer} imports ${id}, which runs on Node only`);
    if (!isBuiltin(id)) return undefined;
    if (packageOf(importer).browser?.[id] === false) return EMPTY;
    throw new Error(`${importer} imports ${id}, which browsers do not have`);
  },
  load: id => (id === EMPTY ? 'export default {};' : undefined),
};

/**
 * Bundles one module for browsers (ES2022) into `outDir`/wallet.js; resolves with its sizes in bytes. Rejects, naming the
 * module, if anything of Node is left in it, or anything that is loaded later.
 */
export async function buildBrowser({
  entry = join(ROOT, 'src/wallet/browser.ts'),
  outDir = join(ROOT, 'dist/browser'),
}) {
  const result = await build({
    configFile: false,
    root: ROOT,
    logLevel: 'warn',
    publicDir: false,
    plugins: [ownImports, nothingOfNode],
    build: {
      outDir,
      emptyOutDir: false,
      target: 'es2022',
      minify: true,
      rolldownOptions: {
        input: { wallet: entry },
        preserveEntrySignatures: 'strict',
        output: { format: 'es', entryFileNames: '[name].js' },
      },
      modulePreload: false,
      chunkSizeWarningLimit: 1000,
    },
  });
  const chunks = [result].flat().flatMap(({ output }) => output);
  const [chunk] = chunks;
  const loaded = [...chunk.imports, ...chunk.dynamicImports];
  if (chunks.length > 1 || loaded.length > 0) throw new Error(`the bundle is not one file: it loads ${loaded.join()}`);
  // By name and not by import, so that only running it would show.
  const rest = chunk.code.match(/\bBuffer\.(?:from|alloc|concat|isBuffer)\b|\bprocess\.(?:env|version|nextTick)\b/);
  if (rest) throw new Error(`the bundle uses ${rest[0]}, which browsers do not have`);
  return {
    file: join(outDir, chunk.fileName),
    bytes: Buffer.byteLength(chunk.code),
    gzipped: gzipSync(chunk.code).length,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const { file, bytes, gzipped } = await buildBrowser({});
    process.stdout.write(`${file}: ${bytes} bytes, ${gzipped} gzipped\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    process.exitCode = 1;
  }
}
