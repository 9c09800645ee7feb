import { readFileSync } from 'node:fs';
import { Session } from '@scure/btc-signer/musig2.js';
import { beforeAll, describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../src/crypto/index.ts';
import type { Envelope, SignalEvidence } from '../../src/messages/index.ts';
import type { NostrEvent } from '../../src/nostr/index.ts';

interface Beacon {
  keys: string[];
  tweak: Uint8Array;
  address: string;
}
interface Outpoint {
  txid: string;
  vout: number;
  change: number;
}
interface Stranger {
  reader(secret: string, self: string, sender: string): (event: NostrEvent, now: number) => Envelope | null;
  statement(name: string, content: object): Uint8Array;
  beaconOf(keys: string[], network: string): Beacon;
  readPsbt(psbt: string): Outpoint | null;
  signalTransaction(
    beacon: Beacon,
    outpoint: { txid: string; vout: number; value: number },
    fee: number,
    signalBytes: string,
  ): { txid: string; sighash: Uint8Array; psbt: string };
  smtVerified(proof: object, did: string, announcement: string | null, signalBytes: string, order: string): boolean;
}
interface Push {
  keys: { aggregator_transport: string; members: Record<string, { transport_key: string }> };
  controllers: Record<string, { did: string }>;
  cohort: { participant_pubkeys: string[]; beacon_address: string };
  announcement: string;
  tree: { signal_bytes: string };
  session: {
    session_id: string;
    session_id_preimage: object;
    psbt: string;
    txid: string;
    sighash: string;
    agg_nonce: [string, string][];
    members: { participant_pk: string; sig: string[] }[];
    final_transaction: string;
  };
  messages: { envelope: Envelope; events: NostrEvent[] }[];
}

const push = JSON.parse(
  readFileSync(new URL('../vectors/protocol/push-smt.json', import.meta.url), 'utf8'),
) as unknown as Push;
const part = (name: string) => import(new URL(`../../examples/stranger/${name}.js`, import.meta.url).href);

/** What the scene of the vectors pays the beacon. */
const DEPOSIT = 100_000;

let stranger: Stranger;
let beacon: Beacon;
beforeAll(async () => {
  const parts = await Promise.all(['envelope', 'bytes', 'bitcoin', 'did'].map(part));
  stranger = Object.assign({}, ...parts) as Stranger;
  beacon = stranger.beaconOf(push.cohort.participant_pubkeys, 'regtest');
});

describe('the vectors, by the stranger’s code, which shares none with ours', () => {
  test('every event opens to its envelope, and to nobody else', () => {
    const secrets = [push.keys.aggregator_transport, ...Object.values(push.keys.members).map(key => key.transport_key)];
    let opened = 0;
    for (const { envelope, events } of push.messages)
      for (const secret of secrets) {
        const read = stranger.reader(secret, envelope.to, envelope.from);
        const elsewhere = stranger.reader(secret, '00'.repeat(32), envelope.from);
        for (const event of events) {
          expect(elsewhere(event, envelope.created_at)).toBeNull();
          const found = read(event, envelope.created_at);
          if (!found) continue;
          expect(found).toEqual(envelope);
          opened++;
        }
      }
    expect(opened).toBe(push.messages.length);
  });

  test('address, session id, transaction and its hash', () => {
    const { session, tree } = push;
    expect(beacon.address).toBe(push.cohort.beacon_address);
    expect(toHex(stranger.statement('session', session.session_id_preimage))).toBe(session.session_id);
    const psbt = Buffer.from(session.psbt, 'base64').toString('hex');
    const { txid, vout, change } = stranger.readPsbt(psbt)!;
    const rebuilt = (bytes: string) =>
      stranger.signalTransaction(beacon, { txid, vout, value: DEPOSIT }, DEPOSIT - change, bytes);
    const signal = rebuilt(tree.signal_bytes);
    expect([signal.txid, toHex(signal.sighash), signal.psbt]).toEqual([session.txid, session.sighash, psbt]);
    expect(rebuilt('00'.repeat(32)).txid).not.toBe(session.txid);
  });

  test('partial signatures add up to the signature of the final transaction', () => {
    const { session } = push;
    const aggNonce = fromHex(session.agg_nonce[0]!.join(''));
    const signing = new Session(
      aggNonce,
      beacon.keys.map(key => fromHex(key)),
      fromHex(session.sighash),
      [beacon.tweak],
      [true],
    );
    const partials = push.cohort.participant_pubkeys.map(
      key => session.members.find(({ participant_pk }) => participant_pk === key)!.sig[0]!,
    );
    expect(session.final_transaction).toContain(toHex(signing.partialSigAgg(partials.map(sig => fromHex(sig)))));
  });

  test('proofs verify for what they say and for nothing else', () => {
    const { signal_bytes } = push.tree;
    const proofs = Object.assign(
      {},
      ...push.messages.map(({ envelope }) =>
        envelope.type === 'authorize_beacon_signal_request' && 'proofs' in envelope.body.evidence
          ? envelope.body.evidence.proofs
          : {},
      ),
    ) as Record<string, NonNullable<Extract<SignalEvidence['evidence'], { proofs: object }>['proofs'][string]>>;
    const { one, two } = push.controllers as Record<'one' | 'two', { did: string }>;
    const judge = (did: string, announcement: string | null, bytes = signal_bytes, order = 'spec') =>
      stranger.smtVerified(proofs[did]!, did, announcement, bytes, order);
    expect(judge(one.did, push.announcement)).toBe(true);
    expect(judge(two.did, null)).toBe(true);
    expect(judge(one.did, null)).toBe(false);
    expect(judge(two.did, push.announcement)).toBe(false);
    expect(judge(two.did, null, '11'.repeat(32))).toBe(false);
    expect(judge(two.did, null, signal_bytes, 'lsb')).toBe(false);
    expect(stranger.smtVerified(proofs[one.did]!, two.did, push.announcement, signal_bytes, 'spec')).toBe(false);
  });
});
