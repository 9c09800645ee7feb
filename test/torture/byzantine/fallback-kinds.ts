import { curve } from '#curve';
import { leafSighash, readSignalPsbt, signalSighash } from '../../../src/bitcoin/index.ts';
import type { Fault } from '../../../src/blame/index.ts';
import { treeOf } from '../../../src/cohort/keys.ts';
import { type Bytes, toHex } from '../../../src/crypto/index.ts';
import type { Body, Envelope, Terms } from '../../../src/messages/index.ts';
import type { VetoCode } from '../../../src/wallet/core.ts';
import { draw, drawHex, xOnly } from '../../cohort/members.ts';
import { type TxParts, withTx } from '../../wallet/core/forge.ts';
import { type Cast, earlier, type Kind, liar, member, type Of, on, unheard, vetoed } from './kinds.ts';
import { again, retold, saidBy, toldBy } from './scene.ts';

export const FALLBACK_TERMS: Partial<Terms> = {
  cohort_size: { min: 3, max: 3 },
  policy: {
    type: 'fallback',
    threshold: 'n-1',
    recovery_key: xOnly(draw('recovery key')),
    recovery_delay_blocks: 144,
  },
};

type Request = Of<'fallback_authorization_request'>;
type Signature = Of<'fallback_signature'>;

/** The culprit does not sign the key path, so that the others go on without it; then it says something else in its fallback. */
const falling = (name: string, kept: Fault[], change: (envelope: Signature, cast: Cast) => Envelope[]): Kind =>
  member(`fallback: ${name}`, { ...unheard, kept }, cast => ({
    up: (envelope, from) => {
      if (from !== cast.culprit) return [envelope];
      if (envelope.type === 'signal_authorization') return [];
      return envelope.type === 'fallback_signature' ? change(envelope, cast) : [envelope];
    },
  }));

const withBody = (
  name: string,
  kept: Fault[],
  change: (body: Body<'fallback_signature'>, cast: Cast) => object,
): Kind =>
  falling(name, kept, (envelope, cast) => [again(cast.stage, cast.culprit, envelope, change(envelope.body, cast))]);

const requestOf = (cast: Cast): Request['body'] =>
  cast.stage.history.findLast((each): each is Request => each.type === 'fallback_authorization_request')!.body;

/** Another signature of the culprit's cohort key: over its leaf, the other leaf, or the key path. */
function signedBy(cast: Cast, over: 'fallback' | 'recovery' | 'keypath'): string[] {
  const { stage, culprit, label } = cast;
  const { participant_pubkeys, script_hex } = stage.aggregator.beacon;
  const tree = treeOf(participant_pubkeys, stage.aggregator.advert.terms.policy)!;
  return requestOf(cast).pending_beacon_signal.map(psbt => {
    const { unsignedHex, prevout } = readSignalPsbt(psbt);
    const { value_sats } = prevout;
    const message: Bytes =
      over === 'keypath'
        ? signalSighash(unsignedHex, script_hex, value_sats)
        : leafSighash(unsignedHex, { scriptHex: script_hex, valueSats: value_sats }, tree[over]);
    return toHex(curve.signSchnorr(message, draw(`cohort key of ${culprit.name} in ${stage.cohort}`), draw(label)));
  });
}

const anything = (cast: Cast, more = ''): string[] => [drawHex(`${cast.label} r ${more}`) + drawHex(`${cast.label} s`)];

const WRONG: Fault[] = ['invalid_fallback_signature'];
const TWO: Fault[] = ['two_fallback_signatures'];

const MEMBERS: Kind[] = [
  withBody('any 64 bytes', WRONG, (_, cast) => ({ sig: anything(cast) })),
  withBody('zero', WRONG, () => ({ sig: ['00'.repeat(64)] })),
  withBody('the largest numbers', WRONG, () => ({ sig: ['ff'.repeat(64)] })),
  withBody('another member’s', WRONG, ({ session_id }, cast) => ({
    sig: earlier(cast, 'fallback_signature', cast.others).find(each => each.body.session_id === session_id)!.body.sig,
  })),
  withBody('its own, over the recovery leaf', WRONG, (_, cast) => ({ sig: signedBy(cast, 'recovery') })),
  withBody('its own, over the key path', WRONG, (_, cast) => ({ sig: signedBy(cast, 'keypath') })),
  withBody('another one of its own that verifies', [], (_, cast) => ({ sig: signedBy(cast, 'fallback') })),
  withBody('of another transaction', [], (_, { label }) => ({ txids: [drawHex(label)] })),
  withBody('one too many', [], ({ sig, txids }) => ({ sig: [...sig, ...sig], txids })),
  withBody('for another beacon', [], () => ({ beacon_address: 'bcrt1qother0000000000' })),
  withBody('for a session that is none', [], (_, { label }) => ({ session_id: drawHex(label) })),
  falling('two that verify', TWO, (envelope, cast) => [
    envelope,
    again(cast.stage, cast.culprit, envelope, { sig: signedBy(cast, 'fallback') }),
  ]),
  falling('the good one first', TWO, (envelope, cast) => [
    envelope,
    again(cast.stage, cast.culprit, envelope, { sig: anything(cast) }),
  ]),
  falling('the bad one first', WRONG, (envelope, cast) => [
    again(cast.stage, cast.culprit, envelope, { sig: anything(cast) }),
    envelope,
  ]),
  falling('many bad ones: one transcript', WRONG, (envelope, cast) =>
    ['1', '2', '3', '4'].map(more => again(cast.stage, cast.culprit, envelope, { sig: anything(cast, more) })),
  ),
  falling('three times, in new envelopes', [], (envelope, { stage, culprit }) => [
    envelope,
    again(stage, culprit, envelope),
    again(stage, culprit, envelope),
  ]),
  falling('never sent', [], () => []),
  falling('a veto in its place', [], ({ body: { session_id } }, { stage, culprit }) => [
    saidBy(stage, culprit, { type: 'veto', body: { session_id, code: 'mood', text: 'no' } }),
  ]),
  falling('nonce_lost in its place', [], ({ body: { session_id } }, { stage, culprit }) => [
    saidBy(stage, culprit, { type: 'nonce_lost', body: { session_id } }),
  ]),
  member('fallback: signed where nobody asks for one', { ...unheard, ends: null, notHeard: false }, cast =>
    on('signal_authorization', (envelope, { stage, culprit }) => {
      const { session_id, beacon_address } = envelope.body;
      const body = { session_id, beacon_address, txids: [drawHex('none')], sig: anything(cast) };
      return [saidBy(stage, culprit, { type: 'fallback_signature', body }), envelope];
    })(cast),
  ),
];

/** The culprit's part of the key path is kept from everybody, and it is asked for another fallback than the others. */
const lied = (name: string, vetoes: VetoCode[], change: (envelope: Request, cast: Cast) => Envelope[]): Kind =>
  liar(
    `fallback: ${name}`,
    cast => ({
      up: (envelope, from) => (from === cast.culprit && envelope.type === 'signal_authorization' ? [] : [envelope]),
      down: (envelope, wallet) =>
        wallet === cast.culprit && envelope.type === 'fallback_authorization_request'
          ? change(envelope, cast)
          : [envelope],
    }),
    { ...unheard, vetoes },
  );

const forged = ({ pending_beacon_signal }: Request['body'], change: (parts: TxParts) => Partial<TxParts>) => {
  const body = { pending_beacon_signal } as Parameters<typeof withTx>[0];
  return { pending_beacon_signal: withTx(body, change).pending_beacon_signal };
};

const withRequest = (name: string, veto: VetoCode, change: (body: Request['body'], cast: Cast) => object): Kind =>
  lied(name, [veto], (envelope, cast) => [retold(cast.stage, cast.culprit, envelope, change(envelope.body, cast))]);

const withSpend = (name: string, veto: VetoCode, change: (parts: TxParts) => Partial<TxParts>): Kind =>
  withRequest(name, veto, body => forged(body, change));

const paid =
  (sats: number) =>
  ({ outputs: [change, said] }: TxParts) => ({
    outputs: [{ ...change!, value_sats: change!.value_sats - sats }, said!],
  });

const AGGREGATOR: Kind[] = [
  withSpend('change to a thief', 'transaction_not_ours', ({ outputs: [change, said] }) => ({
    outputs: [{ ...change!, script_hex: `5120${drawHex('thief')}` }, said!],
  })),
  withSpend('other signal bytes', 'transaction_not_ours', ({ outputs: [change] }) => ({
    outputs: [change!, { script_hex: `6a20${drawHex('bytes')}`, value_sats: 0 }],
  })),
  withSpend('no signal at all', 'transaction_not_ours', ({ outputs: [change] }) => ({ outputs: [change!] })),
  withSpend('a lock time', 'transaction_not_ours', () => ({ locktime: 500_000_000 })),
  withSpend('a sequence that counts blocks', 'transaction_not_ours', ({ inputs: [input] }) => ({
    inputs: [{ ...input!, sequence: 144 }],
  })),
  withSpend('another outpoint', 'open_session', ({ inputs: [input] }) => ({
    inputs: [{ ...input!, txid: drawHex('elsewhere') }],
  })),
  withSpend('another value', 'open_session', ({ spent, outputs: [change, said] }) => ({
    spent: { ...spent, value_sats: spent.value_sats + 5_000 },
    outputs: [{ ...change!, value_sats: change!.value_sats + 5_000 }, said!],
  })),
  withSpend('an output that is not the beacon’s', 'wrong_output_script', ({ spent }) => ({
    spent: { ...spent, script_hex: `5120${drawHex('thief')}` },
  })),
  withSpend('a fee above the cap', 'fee_over_cap', paid(5_000)),
  withRequest('two transactions where one is agreed', 'wrong_steps', body => ({
    pending_beacon_signal: [...body.pending_beacon_signal, ...forged(body, paid(300)).pending_beacon_signal],
  })),
  withRequest('another beacon', 'wrong_address', () => ({ beacon_address: 'bcrt1qother0000000000' })),
  withRequest('no PSBT', 'psbt_invalid', () => ({ pending_beacon_signal: ['cHNidP8='] })),
  withRequest('a session that was never checked', 'unknown_session', (_, { label }) => ({
    session_id: drawHex(label),
  })),
  lied('never asked', [], () => []),
  lied('asked again with another fee: only the first counts', [], (envelope, { stage, culprit }) => [
    envelope,
    retold(stage, culprit, envelope, forged(envelope.body, paid(77))),
    envelope,
  ]),
  liar(
    'fallback: before the key path had its time',
    cast => ({
      down: (envelope, wallet) => {
        const { stage, culprit } = cast;
        if (wallet !== culprit || envelope.type !== 'aggregated_nonce') return [envelope];
        const { session_id, beacon_address } = envelope.body;
        const asked = stage.history.findLast(
          (each): each is Of<'authorize_beacon_signal_request'> =>
            each.type === 'authorize_beacon_signal_request' && each.body.session_id === session_id,
        )!;
        const { pending_beacon_signal } = asked.body;
        const body = { session_id, beacon_address, pending_beacon_signal };
        return [toldBy(stage, culprit, { type: 'fallback_authorization_request', body }), envelope];
      },
    }),
    { ...vetoed, vetoes: ['too_soon'] },
  ),
];

/** Whatever can be done to a fallback: faults 16 to 20, and 55. Two of three finish it, so nothing of it hinders them. */
export const FALLBACK_KINDS: readonly Kind[] = [...MEMBERS, ...AGGREGATOR];
