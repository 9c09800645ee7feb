import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  aggregate,
  checkEvidence,
  type Evidence,
  type Expectation,
  NoUpdateError,
  SignalEntryError,
} from '../../src/beacon/index.ts';
import { toBase64url } from '../../src/crypto/index.ts';
import { didOf, draw, drawHex, entry, indexOf } from './cohort.ts';

const [alice, bob, carol] = ['alice', 'bob', 'carol'].map(didOf) as [string, string, string];
const OPTIONS = { bitOrder: 'spec' } as const;
const signal = aggregate('CASBeacon', [entry('bob', true), entry('alice', true), entry('carol', false)], OPTIONS);
const map = { [alice]: toBase64url(draw('update of alice')), [bob]: toBase64url(draw('update of bob')) };

/** For these plain ASCII maps, sorted keys and no spaces are all there is to JCS. */
const hashOf = (value: Record<string, unknown>): Uint8Array =>
  Uint8Array.from(
    createHash('sha256')
      .update(JSON.stringify(Object.fromEntries(Object.entries(value).sort())))
      .digest(),
  );

const submitted: Expectation = { did: alice, announcement: drawHex('update of alice'), registered: true };
const nothing: Expectation = { did: carol, announcement: null, registered: true };
const check = (given: unknown, signalBytes: Uint8Array, ...expected: Expectation[]) =>
  checkEvidence('CASBeacon', { signalBytes, bitOrder: 'spec', evidence: { map: given } as Evidence, expected });

describe('a CAS signal', () => {
  it('is the hash of the map of updated DIDs, whatever the order of its entries', () => {
    expect(signal.signalBytes).toEqual(hashOf(map));
    expect(aggregate('CASBeacon', [entry('alice', true), entry('bob', true)], OPTIONS).signalBytes).toEqual(
      hashOf(map),
    );
  });

  it('gives everybody the whole map', () => {
    expect(signal.evidenceFor([alice])).toEqual({ map });
    expect(signal.evidenceFor([])).toEqual({ map });
  });

  it('is proven to members with an update and without one', () => {
    expect(
      check(map, signal.signalBytes, submitted, nothing, { ...nothing, did: didOf('zed'), registered: false }),
    ).toEqual([]);
  });

  it('when the map hashes to something else → wrong_signal_bytes', () => {
    expect(check(map, draw('other bytes'), submitted)).toMatchObject([{ code: 'wrong_signal_bytes' }]);
    expect(check({ ...map, [carol]: map[bob] }, signal.signalBytes, submitted)).toMatchObject([
      { code: 'wrong_signal_bytes' },
    ]);
  });

  it.each<[string, Record<string, string | undefined>, Expectation, string]>([
    ['leaves out what was submitted', { [bob]: map[bob] }, submitted, 'is not in the signal'],
    ['announces what was not submitted', { ...map, [carol]: map[bob] }, nothing, 'was not submitted'],
    ["announces another member's update", { [alice]: map[bob], [bob]: map[alice] }, submitted, 'another update'],
  ])('when the map %s → wrong_announcement', (_, lie, expectation, text) => {
    expect(check(lie, hashOf(lie), expectation)).toEqual([
      { code: 'wrong_announcement', subject: expectation.did, text: expect.stringContaining(text) },
    ]);
  });

  it.each<[string, unknown]>([
    ['missing', undefined],
    ['null', null],
    ['a list', [map[alice]]],
    ['a text', JSON.stringify(map)],
    ['empty', {}],
    ['with a value that is no text', { ...map, [carol]: null }],
    ['with a value of 31 bytes', { ...map, [carol]: toBase64url(draw('x').subarray(1)) }],
    ['with a value in hex', { ...map, [carol]: drawHex('x') }],
    ['with a padded value', { ...map, [carol]: `${map[bob]}=` }],
    ['with a lone surrogate in a key', { ...map, '\ud800': map[bob] }],
    ['with a key that is lost in copies', JSON.parse(`{"__proto__":"${map[bob]}"}`)],
  ])('when the map is %s → map_invalid, even if it hashes to the signal bytes', (_, given) => {
    const bytes =
      typeof given === 'object' && given !== null ? hashOf(given as Record<string, unknown>) : signal.signalBytes;
    expect(check(given, bytes, submitted)).toMatchObject([{ code: 'map_invalid' }]);
  });

  it.each<[string, unknown]>([
    ['proofs', { proofs: {} }],
    ['null', null],
    ['a text', 'map'],
  ])('when the evidence is %s → map_invalid', (_, evidence) => {
    const input = {
      signalBytes: signal.signalBytes,
      ...OPTIONS,
      evidence: evidence as Evidence,
      expected: [submitted],
    };
    expect(checkEvidence('CASBeacon', input)).toMatchObject([{ code: 'map_invalid' }]);
  });

  it('reads no update for a DID that spells an inherited name', () => {
    expect(check(map, signal.signalBytes, { did: 'constructor', announcement: null, registered: false })).toEqual([]);
  });
});

describe('a CAS signal is refused', () => {
  const make =
    (...list: Parameters<typeof aggregate>[1]) =>
    () =>
      aggregate('CASBeacon', list, OPTIONS);

  it('without an update', () => {
    expect(make()).toThrow(NoUpdateError);
    expect(make(entry('alice', false))).toThrow(NoUpdateError);
  });

  it('when it would have to be blinded', () => {
    expect(make(entry('alice', true), { index: indexOf('bob'), leaf: drawHex('leaf') })).toThrow(SignalEntryError);
    expect(make({ index: indexOf('bob'), announcement: drawHex('update of bob') })).toThrow(SignalEntryError);
  });

  it('when one DID comes with two updates', () => {
    expect(make(entry('alice', true), { ...entry('alice', true), announcement: drawHex('another') })).toThrow(
      SignalEntryError,
    );
  });

  it('when an announcement is not 32 bytes', () => {
    expect(make({ ...entry('alice', true), announcement: 'ab' })).toThrow(TypeError);
  });
});
