import { describe, expect, test } from 'vitest';
import { sha256, toBase64url, toHex, utf8 } from '../../../src/crypto/index.ts';
import { pack, unpack } from '../../../src/wallet/saved/pack.ts';
import { idOf, itemsOf, lineOf, recordOf, type SavedItem, type SavedRecord } from '../../../src/wallet/saved/record.ts';
import { roundTrip } from '../core/wallet.ts';
import { type Lived, lived, putBack } from './scene.ts';

const LIMIT = 40_000;

/** What comes out at the other end, of another process. */
function recovered(items: readonly SavedItem[]): SavedRecord {
  const packed = pack(items, { chunks: [], next: 0 }, LIMIT);
  const read = unpack(packed.chunks.map(packed.textOf));
  if (!read.ok) throw new Error(read.text);
  const record = recordOf(read.items, { network: 'regtest', made_at: 1 });
  if (!record.ok) throw new Error(record.text);
  return roundTrip(record.record);
}

const documentsOf = ({ one, two }: Lived) => new Map([one, two].map(controller => [controller.did, controller]));
function agreedOf({ ada, scene }: Lived) {
  const { cohort, advert_event, terms, terms_hash, identity, relays, transport } = ada.membership(scene.cohort);
  return { cohort, advert_event, terms, terms_hash, identity, relays, transport };
}

describe.each(['SMTBeacon', 'CASBeacon'] as const)('%s: a wallet that made a signal', type => {
  test('comes back from its items with every update and all the evidence that a resolver needs', async () => {
    const given = await lived(type);
    const { ada, scene, one, two } = given;
    const record = recovered(itemsOf(ada.state, 'regtest'));
    const { state, drops } = putBack(record, agreedOf(given), documentsOf(given));
    expect(drops.every(drop => drop === null)).toBe(true);
    const beacon = state.cohorts.get(scene.cohort)!.phase;
    if (beacon.name !== 'restored') throw new Error(beacon.name);
    const before = [...ada.beacon(scene.cohort).signals.values()];
    expect(before).toHaveLength(1);
    expect([...beacon.beacon.signals.values()].map(({ proofs, map }) => ({ proofs, map }))).toEqual(
      before.map(({ proofs, map }) => ({
        proofs: new Map([...proofs].filter(([did]) => did === one.did || did === two.did)),
        map,
      })),
    );
    // It takes the lock along: no other update of that version is ever signed there.
    expect(state.dids.get(one.did)).toMatchObject({ restored: true, updates: [{ version: 2, state: 'locked' }] });
    // And says the same again, so that it may go on from what was saved.
    const here = new Set(itemsOf(state, 'regtest').map(idOf));
    expect(itemsOf(ada.state, 'regtest').filter(item => !here.has(idOf(item)))).toEqual([]);
  });

  test('takes no evidence that does not verify, whoever wrote it', async () => {
    const given = await lived(type);
    const zeros = toBase64url(new Uint8Array(32));
    const forged = itemsOf(given.ada.state, 'regtest').map((item): SavedItem => {
      if (item.t === 'proof') return { ...item, proof: { ...item.proof, updateId: zeros } };
      return item.t === 'map' ? { ...item, map: { ...item.map, [given.one.did]: zeros } } : item;
    });
    const { state, drops } = putBack(recovered(forged), agreedOf(given), documentsOf(given));
    expect(drops.every(drop => drop === null)).toBe(true);
    const { phase } = state.cohorts.get(given.scene.cohort)!;
    expect(phase.name === 'restored' && phase.beacon.signals.size).toBe(0);
  });
});

test('an update that gave way is not kept, and one that may be on the chain always is', async () => {
  const { ada, one } = await lived();
  const own = ada.state.dids.get(one.did)!;
  const count = (): number => itemsOf(ada.state, 'regtest').filter(({ t }) => t === 'update').length;
  expect(count()).toBe(1);
  for (const state of ['signed', 'acked', 'frozen', 'locked', 'broadcast', 'final', 'returned'] as const) {
    ada.state.dids.set(one.did, { ...own, updates: own.updates.map(update => ({ ...update, state })) });
    expect(count(), state).toBe(1);
  }
  for (const state of ['refused', 'replaced'] as const) {
    ada.state.dids.set(one.did, { ...own, updates: own.updates.map(update => ({ ...update, state })) });
    expect(count(), state).toBe(0);
  }
});

// fault 22
test('no key, no MuSig2 nonce and no partial signature is ever in a plaintext', async () => {
  const { ada, scene, one, two } = await lived();
  const text = itemsOf(ada.state, 'regtest').map(lineOf).join('\n');
  const secrets = [one.secret, two.secret, sha256(utf8('ada nonces')), ...ada.secrets()];
  expect(secrets.length).toBeGreaterThan(4);
  for (const secret of secrets) {
    expect(text).not.toContain(toHex(secret));
    expect(text).not.toContain(toBase64url(secret));
  }
  const [session] = ada.beacon(scene.cohort).sessions.values();
  const { stage } = session!;
  if (stage.name !== 'signed') throw new Error(stage.name);
  for (const part of [...stage.sig, ...stage.agg_nonce.flat()]) expect(text).not.toContain(part);
  const drawn = ada.log.flatMap(event => (event.type === 'nonce_drawn' ? event.nonce_points.flat() : []));
  expect(drawn.length).toBeGreaterThan(0);
  for (const point of drawn) expect(text).not.toContain(point);
  // Only these kinds of things, and only these members: whatever is added has to be thought of here.
  const shape = new Set(itemsOf(ada.state, 'regtest').map(item => Object.keys(item).sort().join(',')));
  expect([...shape].sort()).toEqual([
    'advert_event,beacon_address,participant_pk,participant_pubkeys,scheme,t,transport',
    'at,did,proof,signal_bytes,t',
    'at,did,t',
    'did,genesis,name,public_key,t',
    'did,t,update',
  ]);
});
