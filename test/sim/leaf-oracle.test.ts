import { schnorr } from '@noble/curves/secp256k1.js';
import { expect, test } from 'vitest';
import { curve } from '#curve';
import { beaconOutput, buildSignal, createMusig, fallbackTree } from '../../src/bitcoin/index.ts';
import type { CohortState } from '../../src/cohort/index.ts';
import { fromHex, toHex } from '../../src/crypto/index.ts';
import type { Envelope } from '../../src/messages/index.ts';
import { draw, party } from '../bitcoin/helpers.ts';
import { createLeafOracle } from './leaf-oracle.ts';
import type { SeenSession } from './oracle.ts';
import { multisigLeaf, sighashOf, unsignedOf } from './tapscript.ts';

/** An oracle that never complains proves nothing: here is what must never happen in a fallback, forged. */
const COHORT = 'cohort';
const ID = 'ab'.repeat(32);
const DEADLINE = 10;

type Of<T extends Envelope['type']> = Extract<Envelope, { type: T }>;

function scene() {
  const parties = [0, 1, 2].map(i => party(curve, 'leaf oracle', i));
  const members = parties.map(({ publicKey }) => publicKey).sort((a, b) => (toHex(a) < toHex(b) ? -1 : 1));
  const policy = { threshold: 2, recovery_key: toHex(draw('recovery')), recovery_delay_blocks: 144 };
  const { merkleRoot } = fallbackTree(members, policy);
  const { scriptHex } = beaconOutput(createMusig(curve).keySet(members, { merkleRoot }), 'regtest');
  const prevout = { txid: '11'.repeat(32), vout: 0, value_sats: 50_000 };
  const bytes = toHex(draw('bytes'));
  const build = (signal = bytes, txid = prevout.txid, feeSats = 300): string =>
    buildSignal({ prevout: { ...prevout, txid }, scriptHex, signalBytes: fromHex(signal), feeSats }).psbt;
  const seen: SeenSession = {
    cohort: COHORT,
    outpoint: `${prevout.txid}:0`,
    value_sats: prevout.value_sats,
    signal_bytes: bytes,
    updates: [],
    signers: new Set(),
  };
  const state = {
    advert: { terms: { latency: { signature: DEADLINE }, policy: { type: 'fallback' } } },
    transports: new Map(members.map((key, i) => [`transport ${i}`, toHex(key)])),
    phase: { name: 'formed', beacon: { participant_pubkeys: members.map(toHex), script_hex: scriptHex } },
  } as unknown as CohortState;
  const said: string[] = [];
  const signable: string[] = [];
  const nonces = new Set(['transport 0', 'transport 1', 'transport 2']);
  let now = 1_000;
  const oracle = createLeafOracle({
    now: () => now,
    session: id => (id === ID ? seen : undefined),
    cohort: () => state,
    nonces: () => nonces,
    violate: text => said.push(text),
    blame: (_, text) => said.push(text),
    onSignable: id => signable.push(id),
  });
  const begin = (): void => oracle.onAggregatedNonce({ body: { session_id: ID } } as Of<'aggregated_nonce'>);
  const ask = (psbt: string, session_id = ID): void =>
    oracle.onRequest({
      cohort: COHORT,
      body: { session_id, beacon_address: '', pending_beacon_signal: [psbt] },
    } as unknown as Of<'fallback_authorization_request'>);
  const leaf = multisigLeaf(members.map(toHex), 2);
  interface Forged {
    index?: number;
    by?: number;
    session_id?: string;
    aux?: string;
  }
  const sign = (psbt: string, forged: Forged = {}): void => {
    const { index = 0, by = index, session_id = ID, aux = 'aux' } = forged;
    const { hex, txid } = unsignedOf(psbt);
    const message = sighashOf(hex, { script_hex: scriptHex, value_sats: prevout.value_sats }, leaf);
    const { secretKey } = parties.find(({ publicKey }) => toHex(publicKey) === toHex(members[by]!))!;
    const sig = toHex(schnorr.sign(message, secretKey, draw(aux)));
    oracle.onSignature('w', {
      cohort: COHORT,
      from: `transport ${index}`,
      body: { session_id, beacon_address: '', txids: [txid], sig: [sig] },
    } as unknown as Of<'fallback_signature'>);
  };
  const wait = (seconds: number): void => {
    now += seconds;
  };
  return { build, begin, ask, sign, wait, said, signable, nonces };
}

/** As it should be: asked for in time, of the session that it is of. */
function asked() {
  const made = scene();
  const psbt = made.build();
  made.begin();
  made.wait(DEADLINE);
  made.ask(psbt);
  return { ...made, psbt };
}

test('a fallback as it should be, its questions and answers repeated, is no violation', () => {
  const { said, signable, ask, sign, psbt } = asked();
  ask(psbt);
  sign(psbt);
  sign(psbt);
  sign(psbt, { index: 1 });
  expect(said).toEqual([]);
  expect(signable).toEqual([ID, ID, ID]);
});

test('asked for before its time, or before every member gave its nonces', () => {
  const early = scene();
  early.begin();
  early.wait(DEADLINE - 1);
  early.ask(early.build());
  expect(early.said.join()).toMatch(/before the key path had its time/);
  const unheard = scene();
  unheard.nonces.delete('transport 2');
  unheard.begin();
  unheard.wait(DEADLINE);
  unheard.ask(unheard.build());
  unheard.sign(unheard.build());
  expect(unheard.said.join()).toMatch(/is asked for before every member acknowledged its proofs/);
  expect(unheard.said.join()).toMatch(/signed a fallback .* before every member acknowledged its proofs/);
});

test.each<[string, (made: ReturnType<typeof asked>) => void, RegExp]>([
  ['of a session that nobody stored', ({ ask, build }) => ask(build(), 'cd'.repeat(32)), /was never stored/],
  ['for other bytes', ({ ask, build }) => ask(build('ef'.repeat(32))), /for another outpoint or for other bytes/],
  ['for another outpoint', ({ ask, build }) => ask(build(undefined, '22'.repeat(32))), /another outpoint/],
  ['a second one', ({ ask, build }) => ask(build(undefined, undefined, 400)), /two fallbacks of session/],
  ['signed for a session that nobody asked for', ({ sign, psbt }) => sign(psbt, { session_id: '00' }), /no aggregator/],
  ['signed as nobody asked', ({ sign, build }) => sign(build(undefined, undefined, 400)), /which is no fallback/],
  ['signed for other bytes', ({ sign, build }) => sign(build('ef'.repeat(32))), /which is no fallback/],
  ['signed by another key', ({ sign, psbt }) => sign(psbt, { index: 1, by: 0 }), /is none/],
  [
    'signed twice, differently',
    ({ sign, psbt }) => {
      sign(psbt);
      sign(psbt, { aux: 'other' });
    },
    /signed two fallbacks .* or one twice, differently/,
  ],
])('%s', (_, forge, complaint) => {
  const made = asked();
  forge(made);
  expect(made.said.join('\n')).toMatch(complaint);
});
