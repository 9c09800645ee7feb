import { expect, test } from 'vitest';
import { applyPatch, beaconAddresses, beaconService, type DidDocument } from '../../../src/did/index.ts';
import { beaconPatch } from '../../../src/wallet/beacon-patch.ts';
import { newController } from '../../cohort/members.ts';

const OLD = 'bcrt1pqqqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0sj9hjuh';
const NEW = OLD.replace(/.{5}$/, 'qqqqq');
const { document } = newController('one');
const own = document.service!;
const listing = (...services: object[]): DidDocument => ({ ...document, service: services }) as DidDocument;
const old = (id: string, address = OLD) => beaconService(id, 'SMTBeacon', address);
const after = (from: DidDocument, add: Parameters<typeof beaconPatch>[2]) =>
  applyPatch(from, beaconPatch(from, OLD, add)!) as DidDocument;

test('takes every service with the address out, however it is written, and leaves the others in their order', () => {
  const site = { id: '#site', type: 'LinkedDomains', serviceEndpoint: 'https://example.com' };
  const from = listing(old('#beacon'), own[0]!, site, old('#twice', OLD.toUpperCase()), own[1]!);
  expect(after(from, null).service).toEqual([own[0], site, own[1]]);
});

test('puts the new one in under an id that no service has', () => {
  const made = after(listing(...own, old('#beacon'), old(`${document.id}#beacon-2`)), {
    type: 'CASBeacon',
    address: NEW,
  });
  expect(made.service).toEqual([...own, beaconService('#beacon-3', 'CASBeacon', NEW)]);
});

test('does not list the new one twice', () => {
  const from = listing(old('#beacon'), beaconService('#next', 'SMTBeacon', NEW));
  expect(beaconAddresses(after(from, { type: 'SMTBeacon', address: NEW }))).toEqual([NEW]);
});

test('a DID without any beacon could never change again: that is refused', () => {
  expect(beaconPatch(listing(old('#beacon')), OLD, null)).toBeNull();
  expect(beaconPatch(listing(old('#beacon')), OLD, { type: 'SMTBeacon', address: NEW })).not.toBeNull();
});
