import type { Chain } from '../chain/index.ts';
import type { Eye } from '../shell/eye.ts';
import type { Actor } from './actor.ts';
import { WalletError } from './api.ts';
import { provenBeaconOf } from './core.ts';
import { refundsHeld } from './refund.ts';
import type { RefundApi } from './refund-api.ts';

export function createRefunding({
  actor,
  eye,
  chain,
}: {
  actor: Pick<Actor, 'state'>;
  eye: Eye | null;
  chain: Pick<Chain, 'submit'> | null;
}): RefundApi {
  return {
    async refunds({ cohort, send = false }) {
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
      const sum = (values: readonly { value_sats: number }[]): number =>
        values.reduce((total, { value_sats }) => total + value_sats, 0);
      return {
        cohort,
        advert_id: membership.terms.id,
        to: membership.terms.refund?.address ?? null,
        tip_height: view.tip.height,
        without_sats: sum(view.utxos) - sum(held),
        refunds: held.map(refund => ({ ...refund, sent: ripe.includes(refund) })),
      };
    },
  };
}
