#!/usr/bin/env node
// Prints the path of a bitcoind for regtest, unpacking one first where this machine can. Needs the built project.
import { existsSync } from 'node:fs';

const built = new URL('../dist/testing/regtest-find.js', import.meta.url);
if (!existsSync(built)) {
  process.stderr.write('build the project first: npm run build\n');
  process.exit(1);
}
const { findBitcoind } = await import(built.href);
try {
  process.stdout.write(`${await findBitcoind(line => process.stderr.write(`${line}\n`))}\n`);
} catch (fault) {
  process.stderr.write(`${fault instanceof Error ? fault.message : 'failed'}\n`);
  process.exit(1);
}
