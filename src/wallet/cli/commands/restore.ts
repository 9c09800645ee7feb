import { resolve } from 'node:path';
import { z } from 'zod';
import { plural, safeText } from '../../../operator/terminal.ts';
import type { Restored, RestoreRequest } from '../../api.ts';
import { HOLDS } from '../../saved/choose.ts';
import {
  type Command,
  EXIT,
  type Invocation,
  isSet,
  NETWORKING,
  numberFlag,
  textFlag,
  UsageError,
} from '../command.ts';
import { readJsonFile } from '../files.ts';
import { waiting, writeJson, writeLines } from '../io.ts';
import { withWallet } from '../open.ts';

export const restore: Command = {
  name: 'restore',
  arguments: [],
  summary: 'put DIDs back into a wallet whose keys were made again from a seed',
  details: [
    'With --from-relays the words are enough, for a wallet that saved its state on relays (state.on_relays): give the relays that',
    'it used. With a recovery file (btcr2-wallet recovery) the wallet fetches all proofs from the aggregators, makes the nonces',
    'of private trees again, and checks the whole against the chain. Without one: --sidecar for one DID, --did for a k',
    'identifier, --index for that of key N of the seed, or --scan for all that the chain shows.',
    '',
    'Of a restored DID whose last update is missing, --sidecar with --did puts that back, too: from a copy, or from the archive of',
    'the aggregator (btcr2-aggregator archive sidecar).',
    '',
    'A cohort key is never restored: this wallet signs no round of an old cohort, and that beacon signals no more, unless the',
    'member there is a companion: that is found again, and tells what the file or the relays lack. Until it has answered nothing',
    'is signed for a restored DID. The first update of one asks for --after-restore: only its owner can know whether the lost',
    'wallet had signed another.',
  ].join('\n'),
  options: {
    'from-relays': { type: 'boolean', help: 'what the lost wallet saved on these relays' },
    recovery: { type: 'string', value: 'FILE', help: 'what btcr2-wallet recovery wrote' },
    sidecar: { type: 'string', value: 'FILE', help: 'sidecar data of one DID; also what an archive has of it' },
    did: { type: 'string', value: 'DID', help: 'whose sidecar it is, if that has no genesis document' },
    index: { type: 'string', value: 'N', help: 'the k identifier of key N of the seed, from 0' },
    scan: { type: 'boolean', help: 'the k identifiers whose beacons were ever paid; hours on a mainnet bitcoind' },
    name: { type: 'string', value: 'NAME', help: 'a name for the DID in this wallet' },
    ...NETWORKING,
  },
  async run(invocation) {
    const request = requestOf(invocation);
    const done = await withWallet(invocation, { online: true }, ({ port }) =>
      waiting(invocation, 'putting back, and fetching proofs', port.restore(request)),
    );
    if (invocation.json) writeJson(invocation, done);
    else writeLines(invocation, report(done));
    return done.dids.every(({ version }) => version !== null) ? EXIT.ok : EXIT.failed;
  },
};

/** A sidecar, or several by beacon address, as `btcr2-aggregator archive sidecar` prints them: their updates, that is. */
function sidecarIn(json: unknown): unknown {
  const parts = sidecars.safeParse(json);
  const all = parts.success ? Object.values(parts.data) : [];
  const [first] = all;
  return first ? { '@context': first['@context'], updates: all.flatMap(({ updates }) => updates) } : json;
}

const sidecars = z.record(
  z.string().regex(/^[0-9a-z]{14,100}$/i),
  z.looseObject({ '@context': z.string(), updates: z.array(z.unknown()) }),
);

function requestOf(invocation: Invocation): RestoreRequest {
  const json = (name: string): unknown => {
    const path = textFlag(invocation, name);
    return path === undefined ? undefined : readJsonFile(resolve(invocation.io.cwd, path));
  };
  const did = textFlag(invocation, 'did');
  const name = textFlag(invocation, 'name');
  const index = numberFlag(invocation, 'index', 0);
  const scan = isSet(invocation, 'scan');
  const fromRelays = isSet(invocation, 'from-relays');
  const isFile = textFlag(invocation, 'recovery') !== undefined;
  const isDid = textFlag(invocation, 'sidecar') !== undefined || did !== undefined;
  if ([fromRelays, isFile, isDid, index !== undefined, scan].filter(Boolean).length !== 1)
    throw new UsageError(
      'restore needs one of --from-relays, --recovery, --sidecar (or --did), --index and --scan',
      'restore',
    );
  if (name !== undefined && (fromRelays || isFile || scan)) throw new UsageError('--name is for one DID', 'restore');
  const [recovery, sidecar] = [json('recovery'), sidecarIn(json('sidecar'))];
  return {
    ...(recovery === undefined ? {} : { recovery }),
    ...(sidecar === undefined ? {} : { sidecar }),
    ...(did === undefined ? {} : { did }),
    ...(name === undefined ? {} : { name }),
    ...(index === undefined ? {} : { index }),
    ...(scan ? { scan } : {}),
    ...(fromRelays ? { fromRelays } : {}),
  };
}

function report({ dids, cohorts, can, cannot, saved, companion }: Restored): string[] {
  const said = dids.map(({ did, version, deactivated, missing_proofs, text }) => {
    const state = version === null ? safeText(text ?? '') : `version ${version}${deactivated ? ', deactivated' : ''}`;
    return `${did}: ${state}${missing_proofs > 0 ? `, ${plural(missing_proofs, 'proof')} missing` : ''}`;
  });
  return [
    ...(saved ? savedLines(saved) : []),
    ...(dids.length === 0 ? ['nothing was found'] : said),
    ...cohorts.map(
      ({ advert_id, beacon_address, by_companion }) =>
        `cohort ${safeText(advert_id)}, ${beacon_address}: ${by_companion ? 'its companion is the member' : 'for its proofs'}`,
    ),
    ...(companion ? companionLines(companion) : []),
    '',
    'This wallet can',
    ...can.map(line => `  ${line}`),
    'It cannot',
    ...cannot.map(line => `  ${line}`),
  ];
}

const companionLines = ({ companion, answered }: NonNullable<Restored['companion']>): string[] =>
  answered
    ? [`the companion ${companion} has answered: it holds the keys of its cohorts, and goes on signing`]
    : [
        `the companion ${companion} has not answered: start it, and keep \`btcr2-wallet run\` going here; until then nothing is`,
        'signed for these DIDs, since it may hold updates that are not known here. Is it lost: companion revoke --lost',
      ];

/** The newest of what relays show is all that can be known: a later one may be on a relay that was not asked. */
function savedLines({ counter, made_at, follows, relays }: NonNullable<Restored['saved']>): string[] {
  return [
    `state ${counter} of ${new Date(made_at * 1_000).toISOString()}`,
    ...relays.map(({ relay, holds, missing }) => {
      const pieces = missing > 0 ? ` (${plural(missing, 'piece')})` : '';
      return `  ${relay} ${HOLDS[holds]}${pieces}`;
    }),
    ...(follows
      ? []
      : ['Not all of it could be put back, so this wallet saves nothing over it: see btcr2-wallet state push --help']),
    '',
  ];
}
