import { resolve as resolvePath } from 'node:path';
import { requireNetwork } from '../../../chain/index.ts';
import { decodeDid, type Resolution, type ResolveOptions, resolve as resolveDid } from '../../../did/index.ts';
import { plural } from '../../../operator/terminal.ts';
import { signalSource } from '../../../shell/source.ts';
import type { DidView } from '../../api.ts';
import { type ChainConfig, chainOfSources, loadWalletConfig, readConfigFile } from '../../config.ts';
import {
  type Command,
  EXIT,
  type Invocation,
  isSet,
  NETWORKING,
  numberFlag,
  Refused,
  textFlag,
  UsageError,
} from '../command.ts';
import { readJsonFile } from '../files.ts';
import { hint, waiting, writeJson, writeLines } from '../io.ts';
import { homeOf, openChain, sourcesOf, untilTold, withWallet } from '../open.ts';
import { findDid, isWholeDid } from '../refs.ts';

export const resolve: Command = {
  name: 'resolve',
  arguments: ['DID'],
  summary: 'resolve a DID to its document',
  details: [
    "The wallet's own DIDs are resolved with its own data, others with --sidecar. With --sidecar and a chain (--esplora, or",
    '--bitcoind with its login) no wallet is needed at all. Fails with the error code of the did:btcr2 specification.',
    '',
    'A tree of a cohort with bit order lsb is read with --bit-order lsb, and by no other means: read in the wrong order a good',
    'proof is INVALID_SIGNAL_DATA. --legacy is about documents: a beacon that an update added counts from its first signal',
    'on, so the sidecar needs proofs of its whole history, and SMTAggregatorBeacon and CIDAggregatorBeacon are beacons.',
  ].join('\n'),
  options: {
    sidecar: { type: 'string', value: 'FILE', help: 'sidecar data (JSON)' },
    'version-id': { type: 'string', value: 'N', help: 'the version to resolve, from 1' },
    'version-time': { type: 'string', value: 'T', help: 'the version at this time, such as 2026-01-31T12:00:00Z' },
    'bit-order': {
      type: 'string',
      value: 'ORDER',
      help: 'spec, or lsb for trees of older software; own DIDs know theirs',
    },
    legacy: { type: 'boolean', help: 'resolve as older software does: see above' },
    'min-conf': { type: 'string', value: 'N', help: 'confirmations that a signal needs; 6 unless told' },
    ...NETWORKING,
  },
  async run(invocation) {
    const resolution = await resolved(invocation, invocation.positionals[0]!, optionsOf(invocation));
    if (invocation.json) writeJson(invocation, resolution);
    else {
      writeLines(invocation, [JSON.stringify(resolution.document, null, 2)]);
      hint(invocation, summaryOf(resolution));
    }
    return EXIT.ok;
  },
};

function optionsOf(invocation: Invocation): ResolveOptions {
  const versionId = textFlag(invocation, 'version-id');
  const versionTime = textFlag(invocation, 'version-time');
  const minConf = numberFlag(invocation, 'min-conf', 0);
  const bitOrder = textFlag(invocation, 'bit-order');
  const legacy = isSet(invocation, 'legacy');
  if (bitOrder !== undefined && bitOrder !== 'spec' && bitOrder !== 'lsb')
    throw new UsageError('--bit-order is spec or lsb', 'resolve');
  return {
    ...(versionId === undefined ? {} : { versionId }),
    ...(versionTime === undefined ? {} : { versionTime }),
    ...(minConf === undefined ? {} : { minConf }),
    ...(bitOrder === undefined ? {} : { bitOrder }),
    ...(legacy ? { legacy } : {}),
  };
}

/** With a sidecar the chain is all it takes: the wallet, and whoever has it open, is left in peace. */
async function resolved(invocation: Invocation, reference: string, options: ResolveOptions): Promise<Resolution> {
  const path = textFlag(invocation, 'sidecar');
  const sidecar = path === undefined ? undefined : readJsonFile(resolvePath(invocation.io.cwd, path));
  const chain = chainAlone(invocation, sidecar !== undefined);
  if (chain !== null) {
    const did = isWholeDid(reference) || !hasWallet(invocation) ? reference : await lookUp(invocation, reference);
    const work = resolveOver(chain, { did, sidecar: sidecar ?? {}, options });
    return waiting(invocation, 'resolving', untilTold(invocation.io.signal, work));
  }
  return withWallet(invocation, { online: false }, async ({ port }) => {
    const did = isWholeDid(reference) ? reference : didIn((await port.status()).dids, reference);
    return waiting(invocation, 'resolving', port.resolve({ did, ...options }));
  });
}

const hasWallet = (invocation: Invocation): boolean => readConfigFile(homeOf(invocation)) !== null;

/** The chain to resolve by without opening the wallet; null if only the wallet has what it takes. */
function chainAlone(invocation: Invocation, isSidecarGiven: boolean): ChainConfig | null {
  const sources = sourcesOf(invocation);
  const given = chainOfSources(sources);
  if (!hasWallet(invocation)) return given;
  return isSidecarGiven ? loadWalletConfig(homeOf(invocation), sources).chain : null;
}

const lookUp = (invocation: Invocation, reference: string): Promise<string> =>
  withWallet(invocation, { online: false }, async ({ port }) => didIn((await port.status()).dids, reference));

/** What begins like a DID and is none of ours is left to the resolver, which says what is wrong with it. */
function didIn(dids: readonly DidView[], reference: string): string {
  try {
    return findDid(reference, dids).did;
  } catch (error) {
    if (error instanceof Refused && error.code === 'unknown' && reference.startsWith('did:')) return reference;
    throw error;
  }
}

async function resolveOver(
  config: ChainConfig,
  request: { did: string; sidecar: unknown; options: ResolveOptions },
): Promise<Resolution> {
  const { network } = decodeDid(request.did);
  const chain = openChain(config);
  try {
    await requireNetwork(chain, network);
    return await resolveDid({ ...request, chain: signalSource(chain) });
  } finally {
    await chain.close();
  }
}

function summaryOf({ versionId, deactivated, confirmations, neededSignals }: Resolution): string {
  const depth = confirmations === 0 ? '' : `, ${plural(confirmations, 'confirmation')}`;
  const read = `${plural(neededSignals.length, 'beacon signal')} read`;
  return `version ${versionId}${deactivated ? ', deactivated' : ''}${depth}; ${read}`;
}
