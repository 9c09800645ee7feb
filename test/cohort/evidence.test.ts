import { describe, expect, test } from 'vitest';
import { writeHistory } from '../../bench/history.ts';
import { checkEvidence } from '../../src/beacon/index.ts';
import { buildAggregate } from '../../src/cohort/evidence.ts';
import { type CohortEvent, evolve, type Stored, signalHistory } from '../../src/cohort/index.ts';
import { signalEntries, subtreeEntries } from '../../src/cohort/leaves.ts';
import type { CohortState, Frozen } from '../../src/cohort/state.ts';
import { fromHex } from '../../src/crypto/index.ts';
import { readTerms } from '../../src/messages/index.ts';
import { leafIndex, subtreeOf } from '../../src/smt/index.ts';
import { contentOf } from './driver.ts';
import { newMember } from './members.ts';

const members = ['alexis', 'satoshi'].map(name => newMember(name).pk);
const dids = Array.from({ length: 400 }, (_, i) => `did:btc1:bench${i}`);

function termsOf(changes: Parameters<typeof contentOf>[0]) {
  const read = readTerms(contentOf(changes));
  if (!read.ok) throw new Error(read.text);
  return read.terms;
}

const beaconOf = (state: CohortState) => {
  if (state.phase.name !== 'formed') throw new Error(state.phase.name);
  return state.phase.beacon;
};

describe.each(['spec', 'lsb'] as const)('the proofs of past signals of a large tree in %s order', bit_order => {
  const terms = termsOf({ bit_order });
  const log: Stored<CohortEvent>[] = [];
  const options = { cohort: 'c'.repeat(64), terms, members, address: 'bcrt1p', script_hex: '51', start: 1_800_000_000 };
  writeHistory({ ...options, dids, signals: 3, updates: 5 }, event => log.push(event));
  // A restart: what the log says, and nothing that was in memory.
  const folded = log.reduce<CohortState | null>(
    (state, event) => evolve(state, JSON.parse(JSON.stringify(event)) as Stored<CohortEvent>),
    null,
  )!;
  const beacon = beaconOf(folded);
  const updated = beacon.signals[0]!.frozen.updates[0]!.did;

  test('come from crowns that the log holds, and are those of the whole tree', () => {
    for (const { frozen } of beacon.signals) expect(frozen.crown).toBeDefined();
    for (const did of [...dids.slice(0, 20), updated, 'did:btc1:late']) {
      const history = signalHistory(terms, beacon, did);
      expect(history).toHaveLength(3);
      history.forEach(({ evidence }, i) => {
        const { frozen } = beacon.signals[i]!;
        const whole = buildAggregate(terms, signalEntries(beacon.leaves, frozen));
        expect(evidence).toEqual(whole.evidenceFor([did]));
      });
    }
  });

  test('show a member the update of its DID, and a latecomer its empty index', () => {
    const expectation = (did: string, i: number) => ({
      signalBytes: fromHex(beacon.signals[i]!.frozen.signal_bytes),
      bitOrder: bit_order,
      expected: [
        {
          did,
          announcement: beacon.signals[i]!.frozen.updates.find(update => update.did === did)?.announcement ?? null,
          registered: dids.includes(did),
        },
      ],
    });
    for (const did of [updated, dids[7]!, 'did:btc1:late'])
      signalHistory(terms, beacon, did).forEach(({ evidence }, i) => {
        expect(checkEvidence('SMTBeacon', { ...expectation(did, i), evidence })).toEqual([]);
      });
  });

  test('are not made from leaves that came after the signal', () => {
    const { frozen } = beacon.signals[0]!;
    const before = signalHistory(terms, beacon, dids[3]!)[0]!.evidence;
    const late = Array.from({ length: 200 }, (_, i) => `did:btc1:late${i}`);
    const grown = { ...beacon, leaves: beacon.leaves };
    grown.leaves.push(...late);
    expect(signalHistory(terms, grown, dids[3]!)[0]!.evidence).toEqual(before);
    const index = leafIndex(dids[3]!);
    const entries = subtreeEntries(grown.leaves, frozen, { index, depth: 2, order: bit_order });
    expect(entries.map(({ did }) => did).sort()).toEqual(
      dids.filter(did => subtreeOf(leafIndex(did), 2, bit_order) === subtreeOf(index, 2, bit_order)).sort(),
    );
  });

  test('a log whose crown is not that of its leaves gives no proof at all', () => {
    const { frozen } = beacon.signals[0]!;
    const forged: Frozen = { ...frozen, nonce_seed: '11'.repeat(32) };
    const other = { ...beacon, signals: [{ ...beacon.signals[0]!, frozen: forged }] };
    expect(() => signalHistory(terms, other, dids[0]!)).toThrow('do not lead to the signal bytes');
  });
});

test('a blinded tree has a crown too, and its subtrees hold the finished leaves', () => {
  const terms = termsOf({ privacy: 'blinded', flow: 'pull' });
  const leaves = dids.map(did => ({ index: indexOf(did), leaf: indexOf(`leaf of ${did}`) }));
  const drawn = {
    outpoint: { txid: '00'.repeat(32), vout: 0, value_sats: 1 },
    leaf_count: 0,
    nonce_seed: '',
    updates: [],
    blinded: { opportunity_id: '22'.repeat(32), leaves },
  };
  const whole = buildAggregate(terms, leaves);
  const about = { index: leafIndex(dids[5]!), depth: 2, order: 'spec' } as const;
  const own = subtreeOf(about.index, 2, 'spec');
  expect(whole.crown).not.toBeNull();
  const found = subtreeEntries([], drawn, about).map(({ index }) => index);
  expect(found.sort()).toEqual(
    leaves
      .map(({ index }) => index)
      .filter(index => subtreeOf(fromHex(index), 2, 'spec') === own)
      .sort(),
  );
});

function indexOf(text: string): string {
  return Buffer.from(leafIndex(text)).toString('hex');
}
