import { parseArgs } from 'node:util';

/** The form of the beacon: what an advert says. */
export interface BeaconForm {
  type: 'SMTBeacon' | 'CASBeacon';
  privacy: 'none' | 'blinded';
  flow: 'push' | 'pull';
  bit_order: 'spec' | 'lsb';
}

export interface DemoOptions {
  form: BeaconForm;
  members: number;
  dids: number;
  rounds: number;
  out: string;
  stay: boolean;
  json: boolean;
}

export const HELP = `npm run demo -- [options]

Starts a relay, a regtest node, an aggregator and wallets, each a process of its own, and shows them at work:
an advert, a cohort, new DIDs that name its beacon, updates, signed signals with 6 confirmations, resolution.

  --members N   wallets in the cohort, 2 to 100 (3)
  --dids N      DIDs of each wallet, 1 to 100 (2); with two rounds or more each makes one further after round 1
  --rounds N    rounds, 1 to 50 (2)
  --beacon smt|cas          a tree, of which each wallet sees its own part, or one map for all (smt)
  --flow push|pull          wallets send updates when they have them, or each round asks all of them (push)
  --privacy none|blinded    blinded: the aggregator sees neither DIDs nor updates; needs smt and pull (none)
  --bit-order spec|lsb      lsb: trees as older software numbers them; needs smt (spec)
  --out DIR     where the files go (demo-output)
  --stay        keep running afterwards, for wallets of your own
  --json        progress as JSON lines
  --help        this text

Exit code 0 only if every signal has 6 confirmations and every DID resolves; 1 if something failed; 2 for a wrong option.
`;

export class OptionError extends Error {
  override readonly name = 'OptionError';
}

/** Options of the demo; null when help was asked for. Throws OptionError naming the option and its allowed values. */
export function readOptions(args: readonly string[]): DemoOptions | null {
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        members: { type: 'string', default: '3' },
        dids: { type: 'string', default: '2' },
        rounds: { type: 'string', default: '2' },
        beacon: { type: 'string', default: 'smt' },
        flow: { type: 'string', default: 'push' },
        privacy: { type: 'string', default: 'none' },
        'bit-order': { type: 'string', default: 'spec' },
        out: { type: 'string', default: 'demo-output' },
        stay: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }));
  } catch (error) {
    throw new OptionError(error instanceof Error ? error.message : 'wrong options');
  }
  if (values.help) return null;
  const number = (name: string, min: number, max: number): number => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < min || value > max)
      throw new OptionError(`--${name} is a whole number from ${min} to ${max}, not ${JSON.stringify(values[name])}`);
    return value;
  };
  const choice = <T extends string>(name: string, allowed: readonly T[]): T => {
    const found = allowed.find(value => value === values[name]);
    if (found === undefined)
      throw new OptionError(`--${name} is ${allowed.join(' or ')}, not ${JSON.stringify(values[name])}`);
    return found;
  };
  const beacon = choice('beacon', ['smt', 'cas']);
  const flow = choice('flow', ['push', 'pull']);
  const privacy = choice('privacy', ['none', 'blinded']);
  const bit_order = choice('bit-order', ['spec', 'lsb']);
  if (privacy === 'blinded' && beacon === 'cas')
    throw new OptionError('--privacy blinded does not go with --beacon cas: a map names every DID');
  if (privacy === 'blinded' && flow === 'push')
    throw new OptionError('--privacy blinded does not go with --flow push: it needs --flow pull');
  if (bit_order === 'lsb' && beacon === 'cas')
    throw new OptionError('--bit-order lsb does not go with --beacon cas: it is about trees');
  if (values.out === '') throw new OptionError('--out names a folder');
  return {
    form: { type: beacon === 'smt' ? 'SMTBeacon' : 'CASBeacon', privacy, flow, bit_order },
    members: number('members', 2, 100),
    dids: number('dids', 1, 100),
    rounds: number('rounds', 1, 50),
    out: String(values.out),
    stay: values.stay === true,
    json: values.json === true,
  };
}
