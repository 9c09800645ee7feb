import {
  addressToScript,
  BitcoinFormatError,
  buildSpend,
  chooseFee,
  confirmations,
  parseTx,
  recoveryVsize,
  SPEND_VSIZE,
  scriptToAddress,
  verifyRecovery,
} from '../bitcoin/index.ts';
import { accept } from './answer.ts';
import type { ChainView, Decision, Env } from './inputs.ts';
import { treeKeysOf } from './keys.ts';
import type { Beacon, CohortState, Outpoint } from './state.ts';

/** A spend by the recovery key, not signed yet. */
export interface RecoveryDraft {
  outpoint: Outpoint;
  to: string;
  fee_sats: number;
  unsigned_hex: string;
  txid: string;
}

const KEYPATH = 'the terms have no recovery key: only all members together can spend from this beacon';

/**
 * The spend of one output of the beacon by the recovery key alone, without OP_RETURN, to an address; or in words why
 * there is none: the policy has no such key, no output has lain for its delay (BIP-68), or the address is none.
 */
export function draftRecovery(state: CohortState, beacon: Beacon, to: string, env: Env): RecoveryDraft | string {
  const keys = treeKeysOf(beacon.participant_pubkeys, beacon.policy);
  if (!keys) return KEYPATH;
  if (!env.chain) return 'the chain has not been read yet';
  const { fee_cap, btc_network } = state.advert.terms;
  // Before the delay, too: a slip of the pen is better known months before than on the day.
  const slip = addressProblem(to, btc_network);
  if (slip !== null) return slip;
  const outpoint = ripeOutpoint(beacon, env.chain, keys.tree.policy.recovery_delay_blocks);
  if (typeof outpoint === 'string') return outpoint;
  const { feeSats } = chooseFee({
    estimate: env.chain.fee_rate,
    capSats: fee_cap,
    vsize: recoveryVsize(keys.tree, SPEND_VSIZE),
  });
  return spendOf(beacon, outpoint, to, btc_network, feeSats);
}

function addressProblem(to: string, network: Parameters<typeof addressToScript>[1]): string | null {
  try {
    addressToScript(to, network);
    return null;
  } catch (error) {
    if (error instanceof BitcoinFormatError) return error.message;
    throw error;
  }
}

function spendOf(
  { script_hex: scriptHex, policy }: Beacon,
  outpoint: Outpoint,
  to: string,
  network: Parameters<typeof addressToScript>[1],
  feeSats: number,
): RecoveryDraft | string {
  if (policy.type === 'keypath') return KEYPATH;
  const delayBlocks = policy.recovery_delay_blocks;
  try {
    const toHex = addressToScript(to, network);
    const built = buildSpend({ prevout: outpoint, scriptHex, toHex, feeSats, delayBlocks });
    return { outpoint, to, fee_sats: built.feeSats, unsigned_hex: built.unsignedHex, txid: built.txid };
  } catch (error) {
    if (error instanceof BitcoinFormatError) return error.message;
    throw error;
  }
}

/** The oldest output that has lain for the delay; or how long the oldest of all still has to. */
function ripeOutpoint(beacon: Beacon, chain: ChainView, delay: number): Outpoint | string {
  const sent = new Set(beacon.recoveries.map(({ outpoint }) => `${outpoint.txid}:${outpoint.vout}`));
  const [oldest] = chain.utxos
    .filter(({ txid, vout }) => !sent.has(`${txid}:${vout}`))
    .sort((a, b) => (a.height ?? Number.MAX_SAFE_INTEGER) - (b.height ?? Number.MAX_SAFE_INTEGER));
  if (!oldest) return 'the chain shows no output at the beacon address that is not on its way already';
  const { txid, vout, value_sats, height } = oldest;
  const depth = confirmations(height, chain.tip.height);
  const left = delay - depth;
  if (left > 0)
    return `${txid}:${vout} has ${depth} of the ${delay} confirmations that the recovery key has to wait for: ${left} more ${left === 1 ? 'block' : 'blocks'}`;
  return { txid, vout, value_sats };
}

/**
 * A signed recovery spend is stored and sent: only what `draftRecovery` would make, of an output that has lain for the
 * delay, with a valid signature. What it is, everybody sees on the chain, and the operator in an alarm.
 */
export function decideRecover(state: CohortState, beacon: Beacon, hex: string, env: Env): Decision {
  const keys = treeKeysOf(beacon.participant_pubkeys, beacon.policy);
  if (!keys) return { drop: KEYPATH };
  if (!env.chain) return { drop: 'the chain has not been read yet' };
  const { tip, utxos } = env.chain;
  const spend = read(hex);
  const utxo = utxos.find(({ txid, vout }) => txid === spend?.txid && vout === spend.vout);
  if (!spend || !utxo) return { drop: 'this spends no output of the beacon that the chain shows' };
  const { recovery_delay_blocks } = keys.tree.policy;
  if (confirmations(utxo.height, tip.height) < recovery_delay_blocks)
    return { drop: `the output is younger than the ${recovery_delay_blocks} blocks of the recovery delay` };
  const outpoint = { txid: utxo.txid, vout: utxo.vout, value_sats: utxo.value_sats };
  const { btc_network } = state.advert.terms;
  const to = scriptToAddress(spend.script_hex, btc_network);
  const due =
    to === null ? 'it pays no address' : spendOf(beacon, outpoint, to, btc_network, utxo.value_sats - spend.paid);
  if (to === null || typeof due === 'string' || due.txid !== parseTx(hex).txid)
    return { drop: 'this is not the transaction that a recovery makes: one output, no OP_RETURN, its delay' };
  if (!verifyRecovery(hex, { scriptHex: beacon.script_hex, valueSats: utxo.value_sats }, keys))
    return { drop: 'the recovery key did not sign this' };
  const { txid, fee_sats } = due;
  const text =
    `${txid} takes ${spend.paid} sat from the beacon to ${to} by the recovery key alone. It announces nothing; every ` +
    'member sees it';
  return accept(
    [
      { type: 'recovery_sent', txid, hex, outpoint, to, fee_sats },
      { type: 'alarm_raised', key: `recovery_spend:${txid}`, alarm: { code: 'recovery_spend', text, halts: false } },
    ],
    { type: 'broadcast', txid, hex },
  );
}

function read(hex: string): { txid: string; vout: number; script_hex: string; paid: number } | null {
  try {
    const { inputs, outputs } = parseTx(hex);
    const [input] = inputs;
    const [output] = outputs;
    if (!input || !output || inputs.length !== 1 || outputs.length !== 1) return null;
    return { txid: input.txid, vout: input.vout, script_hex: output.script_hex, paid: output.value_sats };
  } catch {
    return null;
  }
}
