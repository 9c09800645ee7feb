import { describe, expect, test } from 'vitest';
import { BODIES, type MessageType } from '../../src/messages/index.ts';
import { keyOf, SAMPLES } from './samples.ts';

const TYPES = Object.keys(BODIES) as MessageType[];

/** Every place in a JSON value, as a path of names. */
function placesIn(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([name, member]) => placesIn(member, [...path, name]));
}

function changedAt(value: unknown, [name, ...rest]: string[], change: (old: unknown) => unknown): unknown {
  if (name === undefined) return change(value);
  if (Array.isArray(value)) return value.map((item, i) => (String(i) === name ? changedAt(item, rest, change) : item));
  const object = value as Record<string, unknown>;
  return { ...object, [name]: changedAt(object[name], rest, change) };
}

/** Parts that are somebody else's to judge: the did room, or whoever checks the evidence. */
const OPEN = new Set(['invocation', 'sidecar', 'evidence.0', 'policy.adverts']);
const isOpen = (path: string[]): boolean => OPEN.has(path[0]!) || OPEN.has(path.slice(0, 2).join('.'));

describe.each(TYPES)('%s', type => {
  const schema = BODIES[type];
  const sample = SAMPLES[type];

  test('the valid example parses and comes back equal', () => {
    expect(schema.parse(sample)).toEqual(sample);
  });

  test('an extra field is refused by its name', () => {
    const parsed = schema.safeParse({ ...sample, surprise: 1 });
    expect(parsed.success).toBe(false);
    expect(parsed.error?.message).toContain('surprise');
  });

  test('every required field is missed', () => {
    const optional = new Set(['admission', 'proof', 'sidecar', 'from_height', 'session_id', 'field']);
    for (const name of Object.keys(sample)) {
      const { [name]: _, ...rest } = sample as Record<string, unknown>;
      const isOptional = optional.has(name) && schema.safeParse(rest).success;
      if (!isOptional) expect(schema.safeParse(rest).success, name).toBe(false);
    }
    expect(schema.safeParse({}).success).toBe(false);
  });

  // fault 9
  test('no value may be of another kind', () => {
    const wrong = [Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60, -1, 1.5, { nested: {} }, [[[]]], '\u0007'];
    for (const path of placesIn(sample).filter(path => !isOpen(path)))
      for (const bad of wrong)
        expect(schema.safeParse(changedAt(sample, path, () => bad)).success, `${path.join('.')} = ${String(bad)}`).toBe(
          false,
        );
  });

  test('hex is lower case', () => {
    for (const path of placesIn(sample)) {
      if (isOpen(path)) continue;
      const shout = (old: unknown) =>
        typeof old === 'string' && /^[0-9a-f]{64,}$/.test(old) ? old.toUpperCase() : old;
      const changed = changedAt(sample, path, shout);
      if (JSON.stringify(changed) !== JSON.stringify(sample))
        expect(schema.safeParse(changed).success, path.join('.')).toBe(false);
    }
  });

  test('nothing but an object is a body', () => {
    for (const value of [null, [], 'text', 1, true]) expect(schema.safeParse(value).success).toBe(false);
  });
});

const compressed: [MessageType, string][] = [
  ['opt_in', 'participant_pubkey'],
  ['did_registration', 'participant_pk'],
  ['did_update', 'participant_pk'],
  ['rebind', 'participant_pk'],
  ['leave', 'participant_pk'],
];

// fault 13
test.each(compressed)('%s: an x-only or uncompressed key is refused where 33 bytes are due', (type, name) => {
  const key = keyOf('ada');
  for (const bad of [key.slice(2), `04${key.slice(2)}`, `04${key.slice(2).repeat(2)}`, '']) {
    const parsed = BODIES[type].safeParse({ ...SAMPLES[type], [name]: bad });
    expect(parsed.error?.issues[0]?.path).toEqual([name]);
  }
});

// fault 18
test('a partial signature of 31 bytes is refused', () => {
  const body = { ...SAMPLES.signal_authorization, sig: ['cd'.repeat(31)] };
  expect(BODIES.signal_authorization.safeParse(body).error?.issues[0]?.path).toEqual(['sig', 0]);
});

test('no nonces, and more than those of eight steps and their refunds, are refused', () => {
  const pair = SAMPLES.nonce.nonce_points[0]!;
  expect(BODIES.nonce.safeParse({ ...SAMPLES.nonce, nonce_points: [] }).success).toBe(false);
  expect(BODIES.nonce.safeParse({ ...SAMPLES.nonce, nonce_points: Array(17).fill(pair) }).success).toBe(false);
  expect(BODIES.nonce.safeParse({ ...SAMPLES.nonce, nonce_points: Array(16).fill(pair) }).success).toBe(true);
});

test('an acknowledgement says what it acknowledges', () => {
  expect(BODIES.ack.safeParse({ ...SAMPLES.ack, accepted: 'everything' }).success).toBe(false);
  expect(BODIES.ack.safeParse({ accepted: 'leave' }).success).toBe(true);
  expect(BODIES.ack.safeParse({ accepted: 'leave', counter: 1 }).success).toBe(false);
});
