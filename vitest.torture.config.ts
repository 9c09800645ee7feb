import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** The long proofs: `npm run torture`. */
export default defineConfig({
  resolve: {
    alias: {
      '#curve': fileURLToPath(new URL('./src/crypto/curve-tiny.ts', import.meta.url)),
      '#hasher': fileURLToPath(new URL('./src/smt/hasher-native.ts', import.meta.url)),
      '#sha256': fileURLToPath(new URL('./src/crypto/sha256-native.ts', import.meta.url)),
    },
  },
  test: {
    include: ['test/torture/**/*.torture.ts'],
    globalSetup: ['test/torture/figures.ts'],
    testTimeout: 1_500_000,
    hookTimeout: 300_000,
    pool: 'threads',
    maxWorkers: 3,
  },
});
