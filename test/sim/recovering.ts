import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSpend, recoveryVsize, SPEND_VSIZE } from '../../src/bitcoin/index.ts';
import { treeOf } from '../../src/cohort/keys.ts';
import type { Daemon } from '../../src/daemon.ts';
import type { RecoveryOffer } from '../../src/operator/api.ts';
import { createRecoveryKey, signRecovery } from '../../src/operator/recovery-key.ts';
import type { Luck } from './random.ts';
import type { World } from './world.ts';

/** Blocks that an output has to lie: the least that terms may have. */
export const DELAY = 144;
/** Nobody's. */
const HOME = 'bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202';
const HOME_SCRIPT = `0014${'00'.repeat(20)}`;
/** Blocks a second while an output ripens. */
const BURST = 24;
const DEPOSIT = 1_000_000;

/** Who holds the recovery key of a cohort, and takes its money once: while a session is open, or between two rounds. */
export interface Recoverer {
  readonly key: string;
  chore(api: Daemon['api'], world: World): Promise<void>;
  /** Txids of what the recovery key signed with its owner's will. */
  readonly wanted: ReadonlySet<string>;
  close(): void;
}

export function createRecoverer(luck: Luck, when: 'open' | 'between' | 'never'): Recoverer {
  const dir = mkdtempSync(join(tmpdir(), 'btcr2-recoverer-'));
  const file = join(dir, 'recovery.key');
  const key = createRecoveryKey(file, luck.bytes);
  const wanted = new Set<string>();
  let isDone = when === 'never';

  async function chore(api: Daemon['api'], { cohortId, oracle, chain }: World): Promise<void> {
    const cohort = cohortId(0);
    const state = oracle.cohort(cohort ?? '');
    if (isDone || cohort === null || state?.phase.name !== 'formed' || state.phase.beacon.signals.length === 0) return;
    const { beacon } = state.phase;
    const { recoveries, round, participant_pubkeys, script_hex } = beacon;
    if (recoveries.length > 0) {
      // The cohort goes on with other money.
      isDone = true;
      chain.deposit(beacon.address, DEPOSIT);
      return;
    }
    const isOpen = round !== null && round.open.length > 0 && round.stage.name !== 'announced';
    if (when === 'open' ? !isOpen : round !== null) return;
    const [oldest] = (await chain.truth.utxos(beacon.address))
      .filter(({ height }) => height !== null)
      .sort((a, b) => a.height! - b.height!);
    if (!oldest) return;
    const { policy } = state.advert.terms;
    const offer = (fee_sats: number): RecoveryOffer => {
      const { txid, vout, value_sats } = oldest;
      const outpoint = { txid, vout, value_sats };
      const spend = { prevout: outpoint, scriptHex: script_hex, toHex: HOME_SCRIPT, feeSats: fee_sats };
      const built = buildSpend({ ...spend, delayBlocks: DELAY });
      const about = { participant_pubkeys, policy, outpoint, to: HOME, fee_sats };
      return { ...about, network: 'regtest', unsigned_hex: built.unsignedHex, txid: built.txid };
    };
    const sign = (asked: RecoveryOffer): string => signRecovery(asked, { file, to: HOME, random: luck.bytes });
    if (chain.height() - oldest.height! + 1 < DELAY) {
      const hex = sign(offer(recoveryVsize(treeOf(participant_pubkeys, policy)!, SPEND_VSIZE) * 2));
      const isRefused = await api.recoverySend({ cohort, hex }).then(
        () => false,
        () => true,
      );
      const isOffered = await api.recoveryOffer({ cohort, to: HOME }).then(
        () => true,
        () => false,
      );
      if (!isRefused || isOffered) oracle.violate('the recovery key may spend what has not lain for its delay');
      chain.mine(BURST);
      return;
    }
    const asked = await api.recoveryOffer({ cohort, to: HOME });
    const hex = sign(asked);
    wanted.add(asked.txid);
    await api.recoverySend({ cohort, hex });
  }

  return { key, chore, wanted, close: () => rmSync(dir, { recursive: true, force: true }) };
}
