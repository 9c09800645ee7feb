import { describe, expect, test } from 'vitest';
import { curve } from '#curve';
import { InvalidContributionError } from '../../src/bitcoin/index.ts';
import { beaconOf, keySetOf, musig, sessionOf, setStatementOf, wrongSetSigner } from '../../src/cohort/keys.ts';
import { fromHex, sha256, toHex, utf8 } from '../../src/crypto/index.ts';
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

const facts = {
  aggregator: 'aa'.repeat(32),
  network: 'regtest',
  terms_hash: 'bb'.repeat(32),
  participant_pubkeys: keys.toSorted(),
  beacon_address: 'bcrt1p',
} as const;
const signed = (what: typeof facts): string[] => {
  const statement = setStatementOf({ ...what, participant_pubkeys: [...what.participant_pubkeys] });
  return what.participant_pubkeys.map(pk => {
    const member = ['ada', 'bob', 'eve'].map(newMember).find(known => known.pk === pk)!;
    return toHex(curve.signSchnorr(statement, member.secret, new Uint8Array(32)));
  });
};

describe('the signatures over a set', () => {
  const set = { ...facts, participant_pubkeys: [...facts.participant_pubkeys] };

  test('are good again for whoever checks them again', () => {
    const signatures = signed(facts);
    expect([wrongSetSigner(set, signatures), wrongSetSigner(set, [...signatures])]).toEqual([null, null]);
  });

  // What was found good is remembered: no forgery may pass for it.
  test('are bad however often, and after good ones: a changed one, two that changed places, those of another set', () => {
    const signatures = signed(facts);
    const [a, b, c] = signatures as [string, string, string];
    expect(wrongSetSigner(set, signatures)).toBe(null);
    for (let i = 0; i < 2; i++) {
      expect(wrongSetSigner(set, [a, b, c.replace(/^../, c.startsWith('00') ? '01' : '00')])).toBe(
        set.participant_pubkeys[2],
      );
      expect(wrongSetSigner(set, [b, a, c])).toBe(set.participant_pubkeys[0]);
      // The very array of keys: what is remembered for it is of other facts.
      for (const changes of [
        { terms_hash: 'cc'.repeat(32) },
        { aggregator: 'cc'.repeat(32) },
        { beacon_address: 'bcrt1q' },
        { network: 'signet' as const },
      ])
        expect(wrongSetSigner({ ...set, ...changes }, signatures)).toBe(set.participant_pubkeys[0]);
    }
  });
});

describe('a signing session', () => {
  const nonceOf = (name: string) => {
    const { secret, pk } = newMember(name);
    const own = { secretKey: secret, publicKey: fromHex(pk), keySet: keySetOf(keys), random32: sha256(utf8(name)) };
    return musig.newNonce(own).publicNonce;
  };
  const aggNonce = musig.nonceAgg(['ada', 'bob', 'eve'].map(nonceOf));
  const message = sha256(utf8('message'));

  test('is shared by all who sign the same under the same nonce, and by nobody else', () => {
    const keySet = keySetOf(keys);
    const session = sessionOf(keySet, aggNonce, message);
    expect(sessionOf(keySet, Uint8Array.from(aggNonce), Uint8Array.from(message))).toBe(session);
    const others = [
      sessionOf(keySet, aggNonce, sha256(utf8('other'))),
      sessionOf(keySet, musig.nonceAgg(['bob', 'eve'].map(name => nonceOf(name))), message),
      sessionOf(keySetOf(keys.slice(0, 2)), aggNonce, message),
    ];
    expect(new Set([session, ...others]).size).toBe(4);
  });
});
