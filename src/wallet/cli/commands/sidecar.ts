import { resolve } from 'node:path';
import { plural } from '../../../operator/terminal.ts';
import { type Command, EXIT, NETWORKING, textFlag } from '../command.ts';
import { replaceFile } from '../files.ts';
import { writeJson, writeLines } from '../io.ts';
import { withWallet } from '../open.ts';
import { findDid } from '../refs.ts';

export const sidecar: Command = {
  name: 'sidecar',
  arguments: ['DID'],
  summary: 'write what a resolver needs beside the chain: genesis document, updates, proofs',
  details: 'Give it to whoever is to resolve the DID. It holds no key, but all versions of the document.',
  options: {
    out: { type: 'string', short: 'o', value: 'FILE', help: 'write to a file (mode 0600), over one that is there' },
    ...NETWORKING,
  },
  async run(invocation) {
    const out = textFlag(invocation, 'out');
    const { did, data, cids } = await withWallet(invocation, { online: false }, async ({ port }) => {
      const { did, updates } = findDid(invocation.positionals[0]!, (await port.status()).dids);
      const cids = updates.map(({ version, state, cid }) => ({ version, state, cid }));
      return { did, data: await port.sidecar(did), cids };
    });
    if (out === undefined) {
      if (invocation.json) writeJson(invocation, data);
      else writeLines(invocation, [JSON.stringify(data, null, 2)]);
      return EXIT.ok;
    }
    const file = resolve(invocation.io.cwd, out);
    replaceFile(file, `${JSON.stringify(data, null, 2)}\n`);
    const counts = { updates: data.updates.length, maps: data.casUpdates.length, proofs: data.smtProofs.length };
    if (invocation.json) writeJson(invocation, { did, file, ...counts, cids });
    else
      writeLines(invocation, [
        `wrote ${file}: ${plural(counts.updates, 'update')}, ${plural(counts.proofs, 'proof')}, ${plural(counts.maps, 'map')}`,
        ...cids.map(({ version, state, cid }) => `version ${version}, ${state}: ${cid}`),
      ]);
    return EXIT.ok;
  },
};
