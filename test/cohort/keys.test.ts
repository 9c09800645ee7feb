import { describe, expect, test } from 'vitest';
import { InvalidContributionError } from '../../src/bitcoin/index.ts';
import { beaconOf, keySetOf } from '../../src/cohort/keys.ts';
import { newMember } from './members.ts';

const keys = ['ada', 'bob', 'eve'].map(name => newMember(name).pk);

describe('the key set of a cohort', () => {
  test('is made once, whatever array its keys come in, and in any order', () => {
    const first = keySetOf(keys);
    expect(keySetOf([...keys])).toBe(first);
    expect(keySetOf(keys.toReversed())).toBe(first);
    expect(beaconOf([...keys], 'regtest').participant_pubkeys).toEqual(keys.toSorted());
  });

  test('is another one for any other keys', () => {
    const other = keySetOf([...keys.slice(0, 2), newMember('mallory').pk]);
    expect(other).not.toBe(keySetOf(keys));
    expect(other.outputKey).not.toEqual(keySetOf(keys).outputKey);
    expect(keySetOf(keys.slice(0, 2)).outputKey).not.toEqual(keySetOf(keys).outputKey);
  });

  test('keeps refusing what is no key set', () => {
    for (let i = 0; i < 2; i++) expect(() => keySetOf([keys[0]!, keys[0]!])).toThrow(InvalidContributionError);
  });

  test('is made again after many others, and is the same', () => {
    const { outputKey } = keySetOf([...keys]);
    for (let i = 0; i < 40; i++) keySetOf([keys[0]!, newMember(`other ${i}`).pk]);
    expect(keySetOf([...keys]).outputKey).toEqual(outputKey);
  });
});
