import { qrText } from '../../../operator/qr.ts';
import { fields, sats, wantsColour } from '../../../operator/terminal.ts';
import type { SingletonFunding } from '../../api.ts';
import { type Command, EXIT, type Invocation, isSet, NETWORKING, UsageError } from '../command.ts';
import { paintOf, waiting, writeJson } from '../io.ts';
import { withWallet } from '../open.ts';
import { findDid } from '../refs.ts';

export const funding: Command = {
  name: 'funding',
  arguments: ['DID'],
  summary: "show the address of a DID's own beacon, what it holds, and what the next signal needs",
  details: [
    'Pay what is needed in one output, and never to an address that was not shown by this wallet. Keep little there: what',
    'is paid here can be spent by the DID key alone.',
  ].join('\n'),
  options: {
    qr: { type: 'boolean', help: 'also draw the payment as a QR code (BIP-21)' },
    ...NETWORKING,
  },
  async run(invocation) {
    if (invocation.json && isSet(invocation, 'qr'))
      throw new UsageError('--qr draws for people: programs read the address', 'funding');
    return withWallet(invocation, { online: false }, async ({ port }) => {
      const { did } = findDid(invocation.positionals[0]!, (await port.status()).dids);
      const held = await waiting(invocation, 'looking at the chain', port.fundingAddress(did));
      if (invocation.json) writeJson(invocation, held);
      else invocation.io.out.write(fundingText(held, invocation));
      return EXIT.ok;
    });
  },
};

function fundingText(held: SingletonFunding, invocation: Invocation): string {
  const { did, address, kind, balance_sats, waiting_sats, needed_sats } = held;
  const { io } = invocation;
  const rows = fields(
    [
      ['DID', did],
      ['address', `${address} (${kind})`],
      ['holds', sats(balance_sats)],
      ['waiting', waiting_sats === 0 ? null : `${sats(waiting_sats)} for a block`],
      ['needed', needed_sats === 0 ? 'nothing: enough for a signal' : `${sats(needed_sats)}, in one payment`],
    ],
    paintOf(invocation),
  );
  if (!isSet(invocation, 'qr')) return rows;
  return rows + (qrText(paymentUri(address, needed_sats), { colour: wantsColour(io.out, io.env) }) ?? '');
}

const SATS = 100_000_000;

/** BIP-21; amounts there are in bitcoins. */
const paymentUri = (address: string, needed: number): string =>
  needed === 0
    ? `bitcoin:${address}`
    : `bitcoin:${address}?amount=${Math.floor(needed / SATS)}.${String(needed % SATS).padStart(8, '0')}`;
