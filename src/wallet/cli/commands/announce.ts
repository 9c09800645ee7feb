import { isHex } from '../../../crypto/index.ts';
import { type Command, EXIT, NETWORKING, textFlag, UsageError } from '../command.ts';
import { waiting } from '../io.ts';
import { withWallet } from '../open.ts';
import { findDid } from '../refs.ts';
import { cohortsOf, SENDING, showAnnounced, viaOf } from '../sending.ts';

export const announce: Command = {
  name: 'announce',
  arguments: ['DID'],
  summary: 'send an update that was signed before through further beacons, the same bytes',
  details: [
    'Two updates of one version would make the DID unresolvable for good, so an update that cannot get through one beacon',
    'goes through another byte for byte the same: the lowest version that is not final, unless --announcement names one.',
    "--via singleton is the way out of a cohort that is dead: the beacon under the DID's own key (see `funding`).",
  ].join('\n'),
  options: {
    ...SENDING,
    announcement: { type: 'string', value: 'HEX', help: 'the hash of the update, 64 hex digits' },
    ...NETWORKING,
  },
  async run(invocation) {
    const via = viaOf(invocation, 'announce');
    const announcement = textFlag(invocation, 'announcement');
    if (announcement !== undefined && !isHex(announcement, 32))
      throw new UsageError('--announcement takes 64 lowercase hex digits', 'announce');
    return withWallet(invocation, { online: true }, async ({ port }) => {
      const { dids, cohorts } = await port.status();
      const { did } = findDid(invocation.positionals[0]!, dids);
      const sending = port.announce({
        did,
        ...cohortsOf(invocation, cohorts),
        ...via,
        ...(announcement === undefined ? {} : { announcement }),
      });
      showAnnounced(invocation, await waiting(invocation, 'sending the update', sending));
      return EXIT.ok;
    });
  },
};
