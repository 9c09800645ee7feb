import { buildSpend, readSignalPsbt, refundsOf, scriptToAddress } from '../../../src/bitcoin/index.ts';
import { toHex } from '../../../src/crypto/index.ts';
import { type Body, NO_SIGNAL, type SpendPurpose, sessionId, type Terms } from '../../../src/messages/index.ts';
import type { VetoCode } from '../../../src/wallet/core.ts';
import { drawHex } from '../../cohort/members.ts';
import { type TxParts, withTx } from '../../wallet/core/forge.ts';
import {
  badNonce,
  badSignature,
  type Cast,
  earlier,
  fine,
  type Kind,
  liar,
  member,
  number,
  OFF,
  type Of,
  on,
  scalar,
  unheard,
  vetoed,
  withPoints,
  withSig,
} from './kinds.ts';
import { again, retold, saidBy } from './scene.ts';

export const SPEND_TERMS: Partial<Terms> = {
  refund: { address: 'bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202', delay_blocks: 1_008 },
};

const THIEF_SCRIPT = `0014${'02'.repeat(20)}`;
const THIEF = scriptToAddress(THIEF_SCRIPT, 'regtest')!;

const wrong = ({ label }: Cast): string => scalar(number(drawHex(`${label} wrong`)));

/** What a member can do to any spend: it is signed like a signal. */
const MEMBERS: Kind[] = [
  withPoints('off the curve', badNonce, own => own.map(([, second]) => [OFF, second])),
  withPoints('another member’s', badSignature, (own, cast, session) =>
    own.map(
      (pair, i) =>
        earlier(cast, 'nonce', cast.others).find(each => each.body.session_id === session)?.body.nonce_points[i] ??
        pair,
    ),
  ),
  withPoints('three pairs', unheard, () => [
    [OFF, OFF],
    [OFF, OFF],
    [OFF, OFF],
  ]),
  withSig('any scalar', badSignature, ({ sig }, cast) => ({ sig: sig.map(() => wrong(cast)) })),
  withSig('zero', badSignature, ({ sig }) => ({ sig: sig.map(() => '00'.repeat(32)) })),
  withSig('wrong in the last place only', badSignature, ({ sig }, cast) => ({
    sig: [...sig.slice(0, -1), wrong(cast)],
  })),
  withSig('one too many', unheard, ({ sig }) => ({ sig: [...sig, sig[0]!] })),
  withSig('for another beacon', unheard, () => ({ beacon_address: 'bcrt1qother0000000000' })),
  member(
    'two signatures: the good one first',
    { ...fine, kept: ['two_authorizations'] },
    on('signal_authorization', (envelope, cast) => [
      envelope,
      again(cast.stage, cast.culprit, envelope, { sig: envelope.body.sig.map(() => wrong(cast)) }),
    ]),
  ),
  member(
    'nonce: never sent',
    unheard,
    on('nonce', () => []),
  ),
  member(
    'signature: never sent',
    unheard,
    on('signal_authorization', () => []),
  ),
  member(
    'veto in place of a nonce',
    vetoed,
    on('nonce', ({ body: { session_id } }, { stage, culprit }) => [
      saidBy(stage, culprit, { type: 'veto', body: { session_id, code: 'mood', text: 'no' } }),
    ]),
  ),
  member(
    'nonce_lost in place of a signature',
    { ...fine, ends: 'nonce_lost' },
    on('signal_authorization', ({ body: { session_id } }, { stage, culprit }) => [
      saidBy(stage, culprit, { type: 'nonce_lost', body: { session_id } }),
    ]),
  ),
];

type Request = Of<'authorize_spend_request'>;
type Spend = Request['body'];

/** The culprit is asked for another spend than the others. */
const lied = (
  name: string,
  code: VetoCode,
  isElsewhere: boolean,
  change: (body: Spend, cast: Cast) => Partial<Spend>,
) =>
  liar(
    name,
    cast => ({
      down: (envelope, wallet) =>
        wallet === cast.culprit && envelope.type === 'authorize_spend_request'
          ? [retold(cast.stage, cast.culprit, envelope, change(envelope.body, cast))]
          : [envelope],
    }),
    // A veto of a session that the aggregator of the test never made is none of the one that it did.
    { ...(isElsewhere ? unheard : vetoed), vetoes: [code] },
  );

/** With one thing changed in its transaction; its session id stays that of the good one. */
const forged = (name: string, code: VetoCode, change: (parts: TxParts) => Partial<TxParts>): Kind =>
  lied(name, code, false, ({ pending_spend }) => {
    const body = { pending_beacon_signal: pending_spend } as Body<'authorize_beacon_signal_request'>;
    return { pending_spend: withTx(body, change).pending_beacon_signal };
  });

type Parts = Parameters<typeof buildSpend>[0];

/** Made anew with other parts, in a session of its own. */
const made = (name: string, code: VetoCode, change: (parts: Parts) => Partial<Parts>, to?: string): Kind =>
  lied(name, code, true, (body, { stage }) => {
    const { prevout, feeSats, outputs, sequence } = readSignalPsbt(body.pending_spend[0]!);
    const { participant_pubkeys, script_hex: scriptHex } = stage.aggregator.beacon;
    const isRefund = body.purpose === 'refund';
    const parts = { prevout, scriptHex, toHex: outputs[0]!.script_hex, feeSats, delayBlocks: isRefund ? sequence : 0 };
    const { psbt, txid, unsignedHex } = buildSpend({ ...parts, ...change(parts) });
    const { prevout: spent } = readSignalPsbt(psbt);
    const id = sessionId({
      cohort: stage.cohort,
      round: body.round,
      attempt: body.attempt,
      outpoint: `${spent.txid}:${spent.vout}`,
      transactions: [
        txid,
        ...refundsOf(stage.aggregator.advert.terms, scriptHex, [unsignedHex]).map(refund => refund.txid),
      ],
      participant_pubkeys,
      signal_bytes: NO_SIGNAL,
    });
    return { session_id: toHex(id), pending_spend: [psbt], ...(to === undefined ? {} : { to }) };
  });

const dearer = ({ feeSats }: Parts) => ({ feeSats: feeSats + 5_000 });
const richer = ({ prevout }: Parts) => ({ prevout: { ...prevout, value_sats: prevout.value_sats + 5_000 } });
const elsewhere = ({ prevout }: Parts) => ({ prevout: { ...prevout, txid: drawHex('elsewhere') } });

/** What an aggregator can say wrongly of any spend. */
const LIES: Kind[] = [
  forged('an OP_RETURN beside the money', 'transaction_not_ours', ({ outputs }) => ({
    outputs: [...outputs, { script_hex: `6a20${drawHex('bytes')}`, value_sats: 0 }],
  })),
  forged('the money to a thief, and a lie about it', 'transaction_not_ours', ({ outputs: [output] }) => ({
    outputs: [{ ...output!, script_hex: THIEF_SCRIPT }],
  })),
  forged('a part of it to a thief', 'transaction_not_ours', ({ outputs: [output] }) => ({
    outputs: [
      { ...output!, value_sats: output!.value_sats - 10_000 },
      { script_hex: THIEF_SCRIPT, value_sats: 10_000 },
    ],
  })),
  forged('a lock time', 'transaction_not_ours', () => ({ locktime: 500_000_000 })),
  forged('an input that is not the beacon’s', 'wrong_output_script', ({ spent }) => ({
    spent: { ...spent, script_hex: THIEF_SCRIPT },
  })),
  lied('another beacon', 'wrong_address', false, () => ({ beacon_address: 'bcrt1qother0000000000' })),
  lied('no PSBT', 'psbt_invalid', false, () => ({ pending_spend: ['cHNidP8='] })),
  lied('another session id', 'wrong_session_id', true, (_, { label }) => ({ session_id: drawHex(label) })),
  made('a fee above the cap', 'fee_over_cap', dearer),
  made('the money to a thief', 'destination_not_agreed', () => ({ toHex: THIEF_SCRIPT }), THIEF),
];

const OWN: Readonly<Record<SpendPurpose, Kind[]>> = {
  cancel: [
    made('another value', 'outpoint_value', richer),
    made('an output that no session was about', 'nothing_to_cancel', elsewhere),
    forged('a delay', 'transaction_not_ours', ({ inputs: [input] }) => ({ inputs: [{ ...input!, sequence: 1_008 }] })),
    lied('said to be a refund', 'transaction_not_ours', false, () => ({ purpose: 'refund' })),
  ],
  move: [
    made('another value', 'outpoint_value', richer),
    made('an output that is not there', 'outpoint_unknown', elsewhere),
    lied('said to be a cancel', 'destination_not_agreed', false, () => ({ purpose: 'cancel' })),
  ],
  refund: [
    made('no delay', 'transaction_not_ours', () => ({ delayBlocks: 0 })),
    made('a block less of delay', 'transaction_not_ours', () => ({ delayBlocks: 1_007 })),
    forged('a delay in seconds', 'transaction_not_ours', ({ inputs: [input] }) => ({
      inputs: [{ ...input!, sequence: 0x0040_0000 + 1_008 }],
    })),
    lied('said to be a move', 'transaction_not_ours', false, () => ({ purpose: 'move' })),
  ],
};

/** Whatever can be done to a cancel, a move or a refund: faults 16 to 20. */
export const SPEND_KINDS: readonly Kind[] = (['cancel', 'move', 'refund'] as const).flatMap(purpose =>
  [...MEMBERS, ...LIES, ...OWN[purpose]].map(kind => ({ ...kind, name: `${purpose}: ${kind.name}`, purpose })),
);
