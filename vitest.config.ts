import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: {
    alias: {
      '#curve': fileURLToPath(new URL('./src/crypto/curve-tiny.ts', import.meta.url)),
      '#hasher': fileURLToPath(new URL('./src/smt/hasher-native.ts', import.meta.url)),
      '#sha256': fileURLToPath(new URL('./src/crypto/sha256-native.ts', import.meta.url)),
    },
  },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    pool: 'threads',
    maxWorkers: 3,
  },
});
