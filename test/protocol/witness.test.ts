import { readFileSync } from 'node:fs';
import { Session } from '@scure/btc-signer/musig2.js';
import { beforeAll, describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../src/crypto/index.ts';
import type { Envelope, SignalEvidence } from '../../src/messages/index.ts';
import type { NostrEvent } from '../../src/nostr/index.ts';

interface Key {
  secret: Uint8Array;
  x: string;
}
interface Beacon {
  keys: Uint8Array[];
  tweak: Uint8Array;
  address: string;
}
interface Stranger {
  open(event: NostrEvent, key: Key): Envelope | null;
  statement(name: string, content: object): Uint8Array;
  keySet(keys: string[], network: string): Beacon;
  readSignal(psbt: string, beacon: Beacon, signalBytes: string): { txid: string; sighash: Uint8Array } | null;
  verifyProof(proof: object, did: string, signalBytes: string, announcement: string | null, bitOrder: string): boolean;
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
const part = (name: string) => import(new URL(`../../examples/stranger/${name}.mjs`, import.meta.url).href);

let stranger: Stranger;
let beacon: Beacon;
beforeAll(async () => {
  stranger = { ...(await part('wire')), ...(await part('beacon')) } as Stranger;
  beacon = stranger.keySet(push.cohort.participant_pubkeys, 'regtest');
});

describe('the vectors, by the stranger’s code, which shares none with ours', () => {
  test('every event opens to its envelope, and to nobody else', () => {
    const secrets = [push.keys.aggregator_transport, ...Object.values(push.keys.members).map(key => key.transport_key)];
    const wrong = { secret: fromHex(secrets[0]!), x: '00'.repeat(32) };
    let opened = 0;
    for (const { envelope, events } of push.messages)
      for (const event of events)
        for (const secret of secrets) {
          const found = stranger.open(event, { secret: fromHex(secret), x: envelope.to });
          expect(stranger.open(event, wrong)).toBeNull();
          if (!found) continue;
          expect(found).toEqual(envelope);
          opened++;
        }
    expect(opened).toBe(push.messages.length);
  });

  test('address, session id, transaction and its hash', () => {
    const { session, tree } = push;
    expect(beacon.address).toBe(push.cohort.beacon_address);
    expect(toHex(stranger.statement('session', session.session_id_preimage))).toBe(session.session_id);
    const signal = stranger.readSignal(session.psbt, beacon, tree.signal_bytes);
    expect([signal?.txid, toHex(signal!.sighash)]).toEqual([session.txid, session.sighash]);
    expect(stranger.readSignal(session.psbt, beacon, '00'.repeat(32))).toBeNull();
  });

  test('partial signatures add up to the signature of the final transaction', () => {
    const { session } = push;
    const aggNonce = fromHex(session.agg_nonce[0]!.join(''));
    const signing = new Session(aggNonce, beacon.keys, fromHex(session.sighash), [beacon.tweak], [true]);
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
      stranger.verifyProof(proofs[did]!, did, bytes, announcement, order);
    expect(judge(one.did, push.announcement)).toBe(true);
    expect(judge(two.did, null)).toBe(true);
    expect(judge(one.did, null)).toBe(false);
    expect(judge(two.did, push.announcement)).toBe(false);
    expect(judge(two.did, null, '11'.repeat(32))).toBe(false);
    expect(judge(two.did, null, signal_bytes, 'lsb')).toBe(false);
    expect(stranger.verifyProof(proofs[one.did]!, two.did, signal_bytes, push.announcement, 'spec')).toBe(false);
  });
});
