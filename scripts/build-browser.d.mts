/** Bundles one module for browsers into `outDir`/wallet.js and tells its sizes in bytes; rejects if anything of Node is left. */
export function buildBrowser(options: {
  entry?: string;
  outDir?: string;
}): Promise<{ file: string; bytes: number; gzipped: number }>;
