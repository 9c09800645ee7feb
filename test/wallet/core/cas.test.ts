import { describe, expect, test } from 'vitest';
import { fromHex, toBase64url, toHex } from '../../../src/crypto/index.ts';
import { jsonHash, makeSidecar } from '../../../src/did/index.ts';
import { type Body, readEnvelope } from '../../../src/messages/index.ts';
import { createChunkAssembler, splitText } from '../../../src/nostr/chunk.ts';
import { sidecarOf } from '../../../src/wallet/dids.ts';
import { drawHex, newController } from '../../cohort/members.ts';
import { deliver, drafted, mine, ready, registerListed, resolveBy, START } from './driver.ts';
import { hashOf, held, type Lied, lied, sign, submitted, threeDids } from './given.ts';
import { roundTrip, sentOf, updateState } from './wallet.ts';

type RequestBody = Body<'authorize_beacon_signal_request'>;
type AnnouncementMap = Record<string, string>;
const CAS = { type: 'CASBeacon' } as const;

const mapOf = ({ evidence }: Pick<RequestBody, 'evidence'>): AnnouncementMap => {
  if (!('map' in evidence)) throw new Error('a CAS beacon gives a map');
  return evidence.map;
};

const vetoes = ({ liar }: Lied, body: RequestBody): string[] =>
  sentOf(liar.ask(roundTrip(body)), 'veto').map(({ code }) => code);

describe('a map', () => {
  test('that says of each own DID what was submitted is signed for; one without an update is absent', async () => {
    const given = await threeDids(CAS);
    expect(Object.keys(mapOf(given.good))).toContain(given.one.did);
    expect(Object.keys(mapOf(given.good))).not.toContain(given.two.did);
    sign(given, given.good);
    expect(updateState(given.wallet, given.one.did)).toEqual(['locked']);
  });

  test('that leaves an own update out may be signed for: it stays what it was', async () => {
    const given = await threeDids(CAS);
    sign(given, given.liar.request({ ...given.parts, updates: {} }));
    expect(updateState(given.wallet, given.one.did)).toEqual(['acked']);
  });

  const altered: [string, (map: AnnouncementMap, dids: { one: string; two: string }) => object, string][] = [
    ['with an own entry altered', (map, { one }) => ({ ...map, [one]: 'A'.repeat(43) }), 'evidence_invalid'],
    ['with an entry more', (map, { two }) => ({ ...map, [two]: 'A'.repeat(43) }), 'evidence_invalid'],
    [
      'with an entry less',
      (map, { one }) => Object.fromEntries(Object.entries(map).filter(([did]) => did !== one)),
      'evidence_invalid',
    ],
    ['without an entry', () => ({}), 'evidence_invalid'],
  ];
  test.each(altered)('%s does not hash to the signal bytes, and is vetoed', async (_, change, code) => {
    const given = await threeDids(CAS);
    const map = change(mapOf(given.good), { one: given.one.did, two: given.two.did }) as AnnouncementMap;
    expect(vetoes(given, { ...given.good, evidence: { map } })).toEqual([code]);
    expect(given.wallet.beacon(given.liar.cohort).signals.size).toBe(0);
  });

  test('that is empty announces nothing to anybody, and is vetoed', async () => {
    const given = await threeDids(CAS);
    const empty = given.liar.request({ ...given.parts, updates: {}, alone: true });
    expect(mapOf(empty)).toEqual({});
    expect(vetoes(given, empty)).toEqual(['evidence_invalid']);
    expect(given.wallet.beacon(given.liar.cohort).signals.size).toBe(0);
  });

  test.each([
    ['registered, but never updated', 'two'],
    ['a draft that names the beacon', 'draft'],
  ] as const)('that announces an update of an own DID that was never made (%s) is vetoed', async (_, which) => {
    const given = await threeDids(CAS);
    const updates = { ...given.parts.updates, [given[which].did]: drawHex('never made') };
    expect(vetoes(given, given.liar.request({ ...given.parts, updates }))).toEqual(['wrong_announcement']);
  });

  test('that announces what another took the place of is vetoed', async () => {
    const given = await threeDids(CAS);
    await submitted(given, given.one, 'newer');
    expect(vetoes(given, given.good)).toEqual(['wrong_announcement']);
  });

  test('in the place of proofs, or proofs in its place, is evidence of another beacon', async () => {
    const cas = await threeDids(CAS);
    expect(vetoes(cas, { ...cas.good, evidence: { proofs: {} } })).toEqual(['evidence_invalid']);
    const smt = await threeDids();
    expect(vetoes(smt, { ...smt.good, evidence: { map: mapOf(cas.good) } })).toEqual(['evidence_invalid']);
  });

  test('with entries named like what every object inherits harms nobody', async () => {
    const given = await threeDids(CAS);
    const map = { constructor: 'A'.repeat(43) } as unknown as AnnouncementMap;
    // Such names are no DIDs: the door turns them away, as the message can be read no more.
    expect(() => given.liar.ask({ ...given.good, evidence: { map } })).toThrow(/unreadable/);
  });

  test('of five hundred entries is checked, kept and signed for; on the wire it is larger than one event', async () => {
    const given = await threeDids(CAS);
    const others = Object.fromEntries(
      Array.from({ length: 500 }, (_, i) => [newController(`other ${i}`).did, drawHex(`update ${i}`)]),
    );
    const body = given.liar.request({ ...given.parts, updates: { ...others, ...given.parts.updates } });
    const envelope = given.liar.envelope({ type: 'authorize_beacon_signal_request', body });
    const parts = splitText(JSON.stringify(envelope), 40_960, fromHex('07'.repeat(16)));
    expect(parts.length).toBeGreaterThan(1);
    const chunks = createChunkAssembler();
    const put = parts.map((text, i) => chunks.accept({ sender: envelope.from, text, eventId: `${i}`, now: START }));
    const whole = put.at(-1)!;
    const read = readEnvelope(whole.status === 'whole' ? whole.text : '');
    expect(read.ok && read.envelope).toEqual(envelope);
    sign(given, body);
    const kept = given.wallet.beacon(given.liar.cohort).signals.get(body.signal_bytes)!;
    expect(toHex(jsonHash(kept.map!))).toBe(body.signal_bytes);
    expect(Object.keys(kept.map!)).toHaveLength(502);
  });
});

describe('evidence of earlier signals', () => {
  test('is the map, kept for a DID that comes late, and in its sidecar', async () => {
    const scene = ready(CAS);
    const [ada, bob] = scene.wallets;
    const one = registerListed(scene, ada!, 'one');
    const made = await drafted(one, 'first');
    ada!.submit(one, made.update, made.document, [scene.cohort]);
    deliver(scene);
    mine(scene, 7);
    const late = registerListed(scene, bob!, 'late');
    const [held] = bob!.beacon(scene.cohort).signals.values();
    expect(held?.map).toEqual({ [one.did]: toBase64url(fromHex(hashOf(made))) });
    const sidecar = sidecarOf(bob!.state, { ...bob!.state.dids.get(late.did)!, genesis: late.genesis });
    expect(sidecar).toEqual(
      makeSidecar({ genesisDocument: late.genesis, updates: [], casUpdates: [held!.map!], smtProofs: [] }),
    );
    expect((await resolveBy(scene, bob!, late)).versionId).toBe('1');
    expect((await resolveBy(scene, ada!, one)).versionId).toBe('2');
  });

  test.each([
    ['altered', (map: AnnouncementMap) => ({ ...map, 'did:btcr2:more': 'A'.repeat(43) })],
    ['empty', () => ({})],
  ])('that is %s is refused, and the registration with it', (_, change) => {
    const given = lied(CAS);
    const late = newController('late');
    given.wallet.addDid(late);
    given.wallet.register(given.liar.cohort, late);
    const good = given.liar.evidence({}, late.did);
    const map = change(mapOf(good));
    const outcome = given.liar.registered(late.did, [good, { ...good, evidence: { map } }]);
    expect(outcome.refused).toMatch(/evidence of earlier signals is wrong/);
    expect(given.wallet.beacon(given.liar.cohort).signals.size).toBe(0);
  });

  test('that announces an update of the late DID that it never made is refused', () => {
    const given = lied(CAS);
    const late = newController('late');
    given.wallet.addDid(late);
    given.wallet.register(given.liar.cohort, late);
    const bad = given.liar.evidence({ updates: { [late.did]: drawHex('never made') } }, late.did);
    expect(given.liar.registered(late.did, [bad]).refused).toMatch(/never made/);
  });

  test('by proofs is none of a CAS beacon', () => {
    const given = lied(CAS);
    const late = held(given, 'late');
    const good = given.liar.evidence({}, late.did);
    const outcome = given.liar.say({
      type: 'proofs',
      body: { beacon_address: given.liar.address, did: late.did, signals: [{ ...good, evidence: { proofs: {} } }] },
    });
    expect(outcome.refused).toMatch(/evidence that was asked for is wrong/);
  });
});
