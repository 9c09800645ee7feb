import { type Command, EXIT, isSet, NETWORKING, numberFlag } from '../command.ts';
import { waiting, writeJson, writeLines } from '../io.ts';
import { withWallet } from '../open.ts';
import { findDid } from '../refs.ts';

export const publish: Command = {
  name: 'publish',
  arguments: ['DID'],
  summary: 'publish the signed updates of a DID to a content-addressed store',
  details: [
    'Puts the updates that are final into the store of cas.kubo_url (an IPFS node), where whoever knows an address (CID) can',
    'get them, for good. Nothing is ever published unasked: a sidecar does the same, for whom you give it to.',
    '',
    'An update that was kept from its aggregator, as a hash (--bare) or in a blinded cohort, needs --reveal.',
  ].join('\n'),
  options: {
    version: { type: 'string', value: 'N', help: 'only the update to this version, from 2' },
    reveal: { type: 'boolean', help: 'publish what was kept from the aggregator too' },
    ...NETWORKING,
  },
  run: invocation =>
    withWallet(invocation, { online: false }, async ({ port }) => {
      const { did } = findDid(invocation.positionals[0]!, (await port.status()).dids);
      const version = numberFlag(invocation, 'version', 2);
      const asking = port.publish({
        did,
        ...(version === undefined ? {} : { version }),
        ...(isSet(invocation, 'reveal') ? { reveal: true } : {}),
      });
      const done = await waiting(invocation, 'publishing', asking);
      if (invocation.json) writeJson(invocation, done);
      else
        writeLines(
          invocation,
          done.map(({ version: of, cid }) => `version ${of}: ${cid}`),
        );
      return EXIT.ok;
    }),
};
