import type { Body, Envelope, Terms } from '../../../src/messages/index.ts';
import { drawHex } from '../../cohort/members.ts';
import {
  badNonce,
  badSignature,
  type Cast,
  type Kind,
  liar,
  number,
  OFF,
  scalar,
  unheard,
  vetoed,
  withPoints,
  withSig,
} from './kinds.ts';
import { retold, type Tamper } from './scene.ts';

/** Four steps, each with a refund: eight transactions are signed in one session. */
export const LADDER_TERMS: Partial<Terms> = {
  fee_cap: 2_000,
  fee_ladder: { steps: 4, factor: 2, blocks: 3 },
  refund: { address: 'bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202', delay_blocks: 1_008 },
};

const STEPS = 4;
type Pair = [string, string];

/** One of the steps, or with `of` refund one of the refunds. */
const one = ({ upTo }: Cast, of: 'step' | 'refund'): number => upTo(STEPS) + (of === 'step' ? 0 : STEPS);

const changed = <T>(list: readonly T[], at: number, value: T): T[] => list.map((each, i) => (i === at ? value : each));
const exchanged = <T>(list: readonly T[], a: number, b: number): T[] =>
  list.map((each, i) => (i === a ? list[b]! : i === b ? list[a]! : each));
const wrong = ({ label }: Cast): string => scalar(number(drawHex(`${label} wrong`)));

const MEMBERS: Kind[] = [
  ...(['step', 'refund'] as const).flatMap(of => [
    withSig(`wrong for one ${of} only`, badSignature, ({ sig }, cast) => ({
      sig: changed(sig, one(cast, of), wrong(cast)),
    })),
    withPoints(`off the curve for one ${of} only`, badNonce, (own, cast) => {
      const at = one(cast, of);
      return changed<Pair>(own, at, [OFF, own[at]![1]]);
    }),
    withPoints(`another's pair for one ${of} only`, badSignature, (own, cast) => {
      const at = one(cast, of);
      return changed<Pair>(own, at, own[(at + 1) % own.length]!);
    }),
  ]),
  withSig('those of two steps exchanged', badSignature, ({ sig }) => ({ sig: exchanged(sig, 0, 2) })),
  withSig('a step’s in the place of its refund’s', badSignature, ({ sig }, cast) => {
    const at = cast.upTo(STEPS);
    return { sig: changed(sig, STEPS + at, sig[at]!) };
  }),
  withSig('those of the refunds withheld', unheard, ({ sig }) => ({ sig: sig.slice(0, STEPS) })),
  withSig('that of the highest step withheld', unheard, ({ sig }) => ({ sig: sig.filter((_, i) => i !== STEPS - 1) })),
  withPoints('those of the refunds withheld', unheard, own => own.slice(0, STEPS)),
];

type Request = Body<'authorize_beacon_signal_request'>;

/** The culprit is asked for other steps than the others. */
const withSteps = (name: string, steps: (psbts: string[]) => string[]): Kind =>
  liar(
    name,
    cast => ({
      down: (envelope, wallet) =>
        wallet === cast.culprit && envelope.type === 'authorize_beacon_signal_request'
          ? [told(cast, envelope, { pending_beacon_signal: steps((envelope.body as Request).pending_beacon_signal) })]
          : [envelope],
    }),
    vetoed,
  );

const told = ({ stage, culprit }: Cast, envelope: Envelope, changes: object): Envelope =>
  retold(stage, culprit, envelope, changes);

/** The culprit hears other aggregated nonces than the others. */
const withAggregates = (name: string, change: (pairs: Pair[]) => Pair[], andThenGood = false): Kind =>
  liar(
    name,
    (cast): Tamper => ({
      down: (envelope, wallet) =>
        wallet === cast.culprit && envelope.type === 'aggregated_nonce'
          ? [told(cast, envelope, { agg_nonce: change(envelope.body.agg_nonce) }), ...(andThenGood ? [envelope] : [])]
          : [envelope],
    }),
  );

const AGGREGATOR: Kind[] = [
  withSteps('the highest step left out', psbts => psbts.slice(0, -1)),
  withSteps('the lowest step left out', psbts => psbts.slice(1)),
  withSteps('two steps exchanged', psbts => exchanged(psbts, 1, 2)),
  withSteps('the lowest step twice', psbts => changed(psbts, 1, psbts[0]!)),
  withSteps('one step alone', psbts => psbts.slice(0, 1)),
  withAggregates('no aggregated nonces for the refunds', pairs => pairs.slice(0, STEPS)),
  withAggregates('those of two steps exchanged', pairs => exchanged(pairs, 0, 3)),
  withAggregates('one of a refund for a step, then the good ones', pairs => changed(pairs, 0, pairs[STEPS]!), true),
];

/** What can be done to a ladder with refunds that cannot be done to one transaction: faults 16 to 20, and 30. */
export const LADDER_KINDS: readonly Kind[] = [...MEMBERS, ...AGGREGATOR];
