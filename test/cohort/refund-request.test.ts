import { describe, expect, test } from 'vitest';
import { addressToScript, parseTx, scriptToAddress } from '../../src/bitcoin/index.ts';
import type { Message, Terms } from '../../src/messages/index.ts';
import { type Cohort, deliver, formed, fund, refusal, roundOpen, sentOf, silent, typesOf } from './driver.ts';
import { drawHex } from './members.ts';

const ELSEWHERE = scriptToAddress(`5120${drawHex('another key')}`, 'regtest')!;
const REFUND: Partial<Terms> = { refund: { address: ELSEWHERE, delay_blocks: 1_008 } };

const request = (cohort: Cohort, txid: string, over: { vout?: number; value_sats?: number } = {}): Message => ({
  type: 'refund_request',
  body: { beacon_address: cohort.beacon.address, outpoint: { txid, vout: 0, value_sats: 50_000, ...over } },
});

describe('a member asks for the refund of what lies at the beacon', () => {
  test('all are asked to sign it, it goes to the address in the terms, and is asked for once', () => {
    const cohort = formed(REFUND);
    const [ada, bob] = cohort.members as [Cohort['members'][0], Cohort['members'][0]];
    const txid = fund(cohort, 50_000);
    const begun = cohort.tell(ada, request(cohort, txid));
    expect(typesOf(begun)).toEqual(['spend_requested']);
    expect(sentOf(begun, 'ack')).toMatchObject([{ body: { accepted: 'refund_request' } }]);
    expect(sentOf(begun, 'authorize_spend_request')).toHaveLength(3);
    // While it is being signed, and once it is, another request is answered and begins nothing.
    const second = cohort.tell(bob, request(cohort, txid));
    expect([typesOf(second), sentOf(second, 'ack').length]).toEqual([[], 1]);
    deliver(cohort);
    const { hex } = cohort.beacon.spends[0]!.transaction!;
    const { inputs, outputs } = parseTx(hex);
    expect(inputs).toMatchObject([{ txid, vout: 0, sequence: 1_008 }]);
    expect(outputs).toMatchObject([{ script_hex: addressToScript(ELSEWHERE, 'regtest') }]);
    const again = cohort.tell(bob, request(cohort, txid));
    expect([typesOf(again), sentOf(again, 'ack').length]).toEqual([[], 1]);
    cohort.expectRestartable();
  });

  test('of what the chain does not show so, of what is worth nothing, and where the terms have none, it is refused', () => {
    const cohort = formed(REFUND);
    const [ada] = cohort.members as [Cohort['members'][0]];
    const txid = fund(cohort, 50_000);
    const code = (message: Message): string => refusal(cohort.tell(ada, message)).code;
    expect(code(request(cohort, txid, { value_sats: 49_999 }))).toBe('not_available');
    expect(code(request(cohort, txid, { vout: 1 }))).toBe('not_available');
    expect(code(request(cohort, drawHex('not broadcast yet')))).toBe('not_available');
    const dust = fund(cohort, 1_000);
    expect(code(request(cohort, dust, { value_sats: 1_000 }))).toBe('not_available');
    const other = request(cohort, txid);
    if (other.type === 'refund_request') other.body.beacon_address = ELSEWHERE;
    expect(code(other)).toBe('wrong_address');
    const plain = formed();
    const there = fund(plain, 50_000);
    expect(refusal(plain.tell(plain.members[0]!, request(plain, there)))).toMatchObject({ code: 'not_available' });
  });

  test('never in the midst of a round', async () => {
    const { cohort, ada } = await roundOpen(REFUND);
    const { txid } = cohort.chain.view(cohort.beacon.script_hex).utxos[0]!;
    expect(refusal(cohort.tell(ada, request(cohort, txid, { value_sats: 100_000 })))).toMatchObject({
      code: 'wrong_phase',
    });
  });

  test('three times for one output, if it comes to nothing: whoever lets it fail holds up no more than that', () => {
    const cohort = formed(REFUND);
    const [ada, , eve] = cohort.members as [Cohort['members'][0], Cohort['members'][0], Cohort['members'][0]];
    const txid = fund(cohort, 50_000);
    for (let i = 0; i < 3; i++) {
      expect(typesOf(cohort.tell(ada, request(cohort, txid)))).toEqual(['spend_requested']);
      deliver(cohort, silent(eve, 'authorize_spend_request'));
      cohort.wait(600);
      cohort.wait(600);
      cohort.mail = [];
      expect(cohort.beacon.spend).toBeNull();
    }
    expect(refusal(cohort.tell(ada, request(cohort, txid)))).toMatchObject({
      code: 'not_available',
      text: expect.stringMatching(/3 times/),
    });
    cohort.expectRestartable();
    // The operator may.
    const outpoint = { txid, vout: 0, value_sats: 50_000 };
    expect(typesOf(cohort.give({ type: 'start_spend', purpose: 'refund', outpoint }))).toEqual(['spend_requested']);
  });
});
