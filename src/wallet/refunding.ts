import { outpointText } from '../bitcoin/index.ts';
import type { Chain } from '../chain/index.ts';
import type { Eye } from '../shell/eye.ts';
import type { Actor } from './actor.ts';
import { type HandNews, WalletError } from './api.ts';
import type { Asking } from './asking.ts';
import { provenBeaconOf } from './core.ts';
import { refundSlot, refundsHeld } from './refund.ts';
import type { RefundApi } from './refund-api.ts';

export function createRefunding({
  actor,
  eye,
  chain,
  asking,
  start,
  listeners,
}: {
  actor: Pick<Actor, 'state' | 'feed'>;
  eye: Eye | null;
  chain: Pick<Chain, 'submit'> | null;
  asking: Pick<Asking, 'answer' | 'refusedBy'>;
  start: () => void;
  /** Everybody who is told of events. */
  listeners: Set<(event: HandNews) => void>;
}): RefundApi {
  /** Resolves when the aggregator has begun it; throws what it refused. */
  async function ask(cohort: string, outpoint: { txid: string; vout: number; value_sats: number }): Promise<string> {
    const name = outpointText(outpoint);
    let refused: string | null = null;
    const listener = (event: HandNews): void => {
      if (event.type === 'refund_refused' && event.cohort === cohort && event.outpoint === name) refused = event.text;
    };
    listeners.add(listener);
    try {
      start();
      const { txid, vout, value_sats } = outpoint;
      const drop = await actor.feed({ type: 'ask_refund', cohort, outpoint: { txid, vout, value_sats } });
      if (drop !== 'asked already') asking.refusedBy(drop);
      const slot = refundSlot(outpoint);
      await asking.answer(
        ({ asked }) => ([...asked.values()].some(a => a.cohort === cohort && a.slot === slot) ? undefined : true),
        'the request for a refund',
      );
    } finally {
      listeners.delete(listener);
    }
    asking.refusedBy(refused);
    return name;
  }

  return {
    async refunds({ cohort, send = false, ask: isAsked = false }) {
      const membership = actor.state().cohorts.get(cohort);
      if (!membership) throw new WalletError('unknown_cohort', `this wallet is in no cohort ${cohort}`);
      const beacon = provenBeaconOf(membership);
      if (!beacon) throw new WalletError('not_ready', `the cohort is ${membership.phase.name}`);
      if (!eye || !chain) throw new WalletError('refused', 'this wallet cannot see the chain');
      const view = await eye.look(beacon.beacon_address);
      const held = refundsHeld(beacon, view);
      const isRipe = (from: number | null): boolean => from !== null && from <= view.tip.height;
      const ripe = send ? held.filter(({ from_height }) => isRipe(from_height)) : [];
      if (send && ripe.length === 0)
        throw new WalletError('refused', 'there is no refund whose delay has passed: look without sending');
      const refused: string[] = [];
      for (const { hex, txid } of ripe) {
        const result = await chain.submit(hex);
        if (!result.accepted) refused.push(`the node refuses the refund ${txid}: ${result.reason}`);
      }
      // One that fails holds up no other.
      if (refused.length > 0) {
        const others = ripe.length - refused.length;
        throw new WalletError('refused', [...refused, ...(others > 0 ? [`${others} were sent`] : [])].join('; '));
      }
      const without = view.utxos.filter(utxo => !held.some(({ outpoint }) => outpoint === outpointText(utxo)));
      const [largest] = without.toSorted((a, b) => b.value_sats - a.value_sats);
      if (isAsked && !largest) throw new WalletError('refused', 'every output of the beacon has a refund here');
      const asked = isAsked && largest ? await ask(cohort, largest) : undefined;
      const sum = (values: readonly { value_sats: number }[]): number =>
        values.reduce((total, { value_sats }) => total + value_sats, 0);
      return {
        cohort,
        advert_id: membership.terms.id,
        to: membership.terms.refund?.address ?? null,
        tip_height: view.tip.height,
        without_sats: sum(view.utxos) - sum(held),
        refunds: held.map(refund => ({ ...refund, sent: ripe.includes(refund) })),
        ...(asked === undefined ? {} : { asked }),
      };
    },
  };
}
