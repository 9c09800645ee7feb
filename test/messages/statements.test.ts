import { expect, test } from 'vitest';
import { toHex } from '../../src/crypto/index.ts';
import {
  admissionStatement,
  cohortSetStatement,
  companionPairStatement,
  companionPolicyStatement,
  optInStatement,
  rebindStatement,
  registrationStatement,
  sessionId,
  xOnlyOf,
} from '../../src/messages/index.ts';
import { hash, keyOf } from './samples.ts';

/** One object that satisfies every statement, so that nothing but the tag can tell them apart. */
const everything = {
  aggregator: hash('aggregator'),
  network: 'regtest' as const,
  terms_hash: hash('terms'),
  transport_key: hash('transport'),
  participant_pubkeys: [keyOf('ada'), keyOf('bob')],
  beacon_address: 'bcrt1p',
  did: 'did:btcr2:k1',
  participant_pk: keyOf('ada'),
  challenge: hash('challenge'),
  cohort: hash('cohort'),
  counter: 1,
  round: 1,
  attempt: 1,
  outpoint: `${hash('tx')}:0`,
  transactions: [hash('tx')],
  signal_bytes: hash('bytes'),
  companion: hash('companion'),
  owner: hash('owner'),
  policy: { version: 1 },
};

const statements = {
  optInStatement,
  cohortSetStatement,
  registrationStatement,
  rebindStatement,
  admissionStatement,
  companionPairStatement,
  companionPolicyStatement,
  sessionId,
};

test('the same content under another tag is another statement', () => {
  const made = Object.values(statements).map(statement => toHex(statement(everything)));
  expect(new Set(made).size).toBe(made.length);
  for (const text of made) expect(text).toMatch(/^[0-9a-f]{64}$/);
});

test.each(Object.entries(statements))('%s depends on everything it says', (_, statement) => {
  const before = toHex(statement(everything));
  expect(toHex(statement({ ...everything }))).toBe(before);
  for (const name of Object.keys(everything)) {
    const changed = { ...everything, [name]: Array.isArray(everything[name as 'transactions']) ? [] : 'changed' };
    expect(toHex(statement(changed)), name).not.toBe(before);
  }
});

test('the x-only form of a compressed key', () => {
  expect(xOnlyOf(keyOf('ada'))).toBe(keyOf('ada').slice(2));
  expect(() => xOnlyOf(keyOf('ada').slice(2))).toThrow(TypeError);
  expect(() => xOnlyOf(keyOf('ada').toUpperCase())).toThrow(TypeError);
});
