import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventId, xOnlyOf } from '../../../src/nostr/event.ts';
import type { NostrEvent } from '../../../src/nostr/index.ts';
import { fetchRelayLimits } from '../../../src/nostr/nip11.ts';
import { minePowInSlices, powOf } from '../../../src/nostr/pow.ts';
import { RELAY_WORK } from '../../../src/nostr/relays.ts';
import type { TestRelay } from '../../../src/testing/relay.ts';
import { emptyWallet, type WalletState } from '../../../src/wallet/core.ts';
import { itemsOf, lineOf } from '../../../src/wallet/saved/record.ts';
import type { Saver } from '../../../src/wallet/saved/saver.ts';
import { MANIFEST, tagOf } from '../../../src/wallet/saved/seal.ts';
import { newController } from '../../cohort/members.ts';
import { type Device, device, OTHER_WORDS, relay } from './devices.ts';
import { type Lived, lived } from './scene.ts';

let given: Lived;
let one: TestRelay;
let two: TestRelay;
let made = 0;

beforeAll(async () => {
  given = await lived();
});
beforeEach(async () => {
  [one, two] = await Promise.all([relay(), relay()]);
});

const state = (): WalletState => given.ada.state;
/** Something new to save. */
const change = (): void => void given.ada.addDid(newController(`later ${made++}`));
const lines = (of: WalletState): string[] => itemsOf(of, 'regtest').map(lineOf).sort();
const findingsOf = async (saver: Saver) => (await saver.inspect()).found.map(({ holds }) => holds);

/** What another wallet made of the words reads. */
async function readAnew(relays: readonly TestRelay[], words?: string) {
  const { saver } = device(relays, emptyWallet, words === undefined ? {} : { words });
  const { items, manifest, findings } = await saver.read();
  return { lines: items.map(lineOf).sort(), counter: manifest.counter, holds: findings.map(({ holds }) => holds) };
}

const manifestTag = ({ keys }: Device): string => keys.lendState(secret => tagOf(MANIFEST, secret));
const isManifest = (from: Device) => (event: NostrEvent) => event.tags[0]?.[1] === manifestTag(from);

describe('a state on two relays', () => {
  test('is whole on both, comes back from the words alone, and tells relays neither keys nor texts', async () => {
    const ada = device([one, two], state);
    expect(ada.saver.due()).toBe('save');
    expect(await ada.saver.save()).toMatchObject({ saved: true, counter: 1, needed: 2, stopped: null });
    expect(await findingsOf(ada.saver)).toEqual(['newest', 'newest']);
    expect(await readAnew([one, two])).toEqual({ lines: lines(state()), counter: 1, holds: ['newest', 'newest'] });
    const author = ada.keys.lendState(xOnlyOf);
    const wire = JSON.stringify(one.events());
    expect(one.events().every(({ kind, pubkey }) => kind === 30_078 && pubkey === author)).toBe(true);
    const told = [
      ...state().dids.keys(),
      ...[...state().cohorts.values()].flatMap(m => [m.transport, m.participant_pk]),
    ];
    for (const name of told) expect(wire).not.toContain(name);
    await expect(readAnew([one, two], OTHER_WORDS)).rejects.toThrow(/no whole state of these words/);
  });

  test('is written again only where it changed', async () => {
    const ada = device([one, two], state);
    await ada.saver.save();
    const first = one.stats.published;
    await ada.saver.save();
    expect(one.stats.published).toBe(first);
    change();
    expect(ada.saver.view()).toMatchObject({ saved: false, counter: 1 });
    await ada.saver.save();
    // The piece that was not full, and the list.
    expect(one.stats.published).toBe(first + 2);
    expect(await readAnew([one])).toMatchObject({ lines: lines(state()), counter: 2 });
  });

  test('counts as saved only when both show it: one that is down gets it later', async () => {
    const ada = device([one, two], state);
    await two.stop();
    await expect(ada.saver.save()).rejects.toMatchObject({
      code: 'timeout',
      message: expect.stringMatching(/1 of 2 relays/),
    });
    expect(ada.saver.view()).toMatchObject({ saved: false, counter: 1 });
    await two.restart();
    expect(await ada.saver.save()).toMatchObject({ saved: true, counter: 1 });
    expect((await readAnew([two])).lines).toEqual(lines(state()));
  });

  // fault 44
  test('goes on after a crash between two pieces: with the same counter, and no relay was left with half of it', async () => {
    const ada = device([one, two], state);
    await ada.saver.save();
    change();
    for (const relay of [one, two]) relay.faults.reject = 'error: not now';
    await expect(ada.saver.save()).rejects.toMatchObject({ code: 'timeout' });
    for (const relay of [one, two]) relay.faults.reject = null;
    expect(await readAnew([one, two])).toMatchObject({ counter: 1, holds: ['newest', 'newest'] });
    const again = device([one, two], state, { store: ada.store });
    expect(again.saver.due()).toBe('save');
    expect(await again.saver.save()).toMatchObject({ saved: true, counter: 2, stopped: null });
    expect(await readAnew([one, two])).toMatchObject({ counter: 2, lines: lines(state()) });
  });

  // fault 39
  test('is not taken for saved on a relay that says OK and stores nothing', async () => {
    const ada = device([one, two], state);
    two.faults.okButNotStored = true;
    await expect(ada.saver.save()).rejects.toThrow(/says that it stores what it does not/);
    expect(ada.saver.view()).toMatchObject({ saved: false });
    two.faults.okButNotStored = false;
    expect(await ada.saver.save()).toMatchObject({ saved: true });
  });

  test('is put back on a relay that lost it, once it is asked for every piece', async () => {
    const ada = device([one, two], state);
    await ada.saver.save({ audit: true });
    expect(ada.saver.due()).toBeNull();
    await two.restart({ wipe: true });
    expect(await findingsOf(ada.saver)).toEqual(['newest', 'nothing']);
    expect(await ada.saver.save({ audit: true })).toMatchObject({ saved: true, counter: 1 });
    expect(await findingsOf(ada.saver)).toEqual(['newest', 'newest']);
  });

  test('is saved where a relay wants to see a key, which is the state key alone', async () => {
    for (const strict of [one, two]) strict.faults.authRequired = true;
    const ada = device([one, two], state);
    expect(await ada.saver.save()).toMatchObject({ saved: true });
    expect((await readAnew([one])).lines).toEqual(lines(state()));
  });
});

describe('a relay that does not tell the truth', () => {
  test('plays an old state back: the other one shows the newest, and this is told', async () => {
    const ada = device([one, two], state);
    await ada.saver.save();
    const old = two.events();
    change();
    await ada.saver.save();
    const was = new Map(old.map(event => [event.tags[0]![1], event]));
    two.faults.tamper = event => [was.get(event.tags[0]![1]!) ?? event];
    expect(await readAnew([two, one])).toEqual({ lines: lines(state()), counter: 2, holds: ['older', 'newest'] });
    // Alone it is believed, since nothing else can be known: whoever restores is asked what came after.
    expect(await readAnew([two])).toMatchObject({ counter: 1, holds: ['newest'] });
    // The wallet that wrote it is not misled.
    await expect(ada.saver.save({ audit: true })).rejects.toMatchObject({ code: 'timeout' });
    expect(ada.saver.view()).toMatchObject({ counter: 2, stopped: null });
  });

  test('changes or withholds pieces: nothing of it is taken, and the other one has them', async () => {
    const ada = device([one, two], state);
    await ada.saver.save();
    const isList = isManifest(ada);
    one.faults.tamper = event =>
      isList(event) ? [event] : [{ ...event, content: `${event.content.slice(0, -4)}AAAA` }];
    expect(await readAnew([one, two])).toEqual({ lines: lines(state()), counter: 1, holds: ['incomplete', 'newest'] });
    two.faults.drop = event => !isList(event);
    await expect(readAnew([one, two])).rejects.toThrow(/pieces missing/);
  });

  test('shows nothing at all: that is no state, and no reason to write over one', async () => {
    const ada = device([one, two], state);
    await ada.saver.save();
    one.faults.silent = true;
    two.faults.silent = true;
    await expect(readAnew([one, two])).rejects.toThrow(/does not answer/);
    await expect(ada.saver.save()).rejects.toThrow(/no relay answered/);
  });
});

describe('two wallets of the same words', () => {
  test('notice each other: the second writes nothing, the first writes on', async () => {
    const first = device([one, two], state);
    await first.saver.save();
    const second = device([one, two], state);
    await expect(second.saver.save()).rejects.toThrow(/another wallet of these words wrote state 1/);
    expect(second.saver.due()).toBeNull();
    change();
    expect(await first.saver.save()).toMatchObject({ saved: true, counter: 2 });
  });

  test('one that was told to take over goes on, and the other stops for good and says so', async () => {
    const first = device([one, two], state);
    await first.saver.save();
    const second = device([one, two], state);
    expect(await second.saver.save({ takeOver: true })).toMatchObject({ saved: true, counter: 2 });
    // What the other one had written is gone, also where relays do not delete.
    const whole = one.events().filter(({ kind, content }) => kind === 30_078 && content !== '');
    expect(whole).toHaveLength(1 + second.saver.view()!.chunks);
    change();
    await expect(first.saver.save()).rejects.toThrow(/another wallet/);
    expect(first.saver.view()).toMatchObject({ saved: false, stopped: { why: 'foreign', counter: 2 } });
    expect(first.warned).toEqual([]);
    const again = device([one, two], state, { store: first.store });
    await expect(again.saver.save()).rejects.toThrow(/another wallet/);
    expect(await second.saver.save()).toMatchObject({ saved: true, counter: 3 });
  });

  test('one that was restored from it goes on from it, if all of it is here', async () => {
    const first = device([one, two], state);
    await first.saver.save();
    const empty = device([one, two], emptyWallet);
    expect(await empty.saver.follow(await empty.saver.read())).toBe(false);
    await expect(empty.saver.save()).rejects.toThrow(/another wallet/);
    const restored = device([one, two], state);
    expect(await restored.saver.follow(await restored.saver.read())).toBe(true);
    expect(await restored.saver.save()).toMatchObject({ saved: true, counter: 2 });
  });

  // fault 48
  test('an old copy of its own database notices it, stops, and its wallet is told', async () => {
    const ada = device([one, two], state);
    await ada.saver.save();
    const file = join(ada.dir, 'copy.db');
    await ada.store.backup(file);
    change();
    await ada.saver.save();
    const copy = device([one, two], state, { database: file });
    await expect(copy.saver.save()).rejects.toThrow(/its database is an old copy/);
    expect(copy.warned).toHaveLength(1);
    await expect(copy.saver.save()).rejects.toThrow(/its database is an old copy/);
    expect(copy.warned).toHaveLength(1);
    expect(await ada.saver.save()).toMatchObject({ saved: true, counter: 2 });
  });
});

describe('a state that is forgotten', () => {
  test('is empty on every relay, stays so, and can be begun anew', async () => {
    const ada = device([one, two], state);
    await ada.saver.save();
    expect((await ada.saver.forget()).relays).toMatchObject([{ emptied: true }, { emptied: true }]);
    for (const { events } of [one, two])
      expect(events().filter(({ kind, content }) => kind === 30_078 && content !== '')).toEqual([]);
    expect(one.events().some(({ kind }) => kind === 5)).toBe(true);
    await expect(readAnew([one, two])).rejects.toThrow(/holds nothing/);
    expect([ada.saver.due(), ada.saver.view()]).toMatchObject([null, { forgotten: true, saved: false }]);
    expect(await ada.saver.save()).toMatchObject({ saved: true, counter: 2, forgotten: false });
    expect((await readAnew([one, two])).lines).toEqual(lines(state()));
  });

  test('is told where a relay keeps it', async () => {
    const ada = device([one, two], state);
    await ada.saver.save();
    two.faults.reject = 'blocked: no deletions here';
    expect((await ada.saver.forget()).relays).toMatchObject([{ emptied: true }, { emptied: false }]);
  });
});

test('without a seed, or without relays, nothing is saved and the text says why', async () => {
  const seedless = device([one], state, { keys: null });
  await expect(seedless.saver.save()).rejects.toThrow(/no seed/);
  expect(seedless.saver.due()).toBeNull();
  const alone = device([], state);
  await expect(alone.saver.save()).rejects.toThrow(/uses no relays/);
  expect(alone.saver.due()).toBeNull();
  // A new wallet does not tell relays that it exists.
  expect(device([one], emptyWallet).saver.due()).toBeNull();
});

// fault 42
describe('a relay that takes nothing without proof of work', () => {
  test.each([
    ['says so', fetchRelayLimits],
    ['only refuses', null],
  ])('and %s gets the state with it, and what is emptied too', async (_, fetchLimits) => {
    one.faults.pow = 8;
    const ada = device([one, two], state, { fetchLimits });
    expect(await ada.saver.save()).toMatchObject({ saved: true, counter: 1 });
    expect(await readAnew([one])).toMatchObject({ lines: lines(state()), holds: ['newest'] });
    change();
    await ada.saver.save();
    expect(await readAnew([one])).toMatchObject({ lines: lines(state()), counter: 2 });
    for (const { id } of one.events()) expect(powOf(id)).toBeGreaterThanOrEqual(8);
    expect((await ada.saver.forget()).relays.map(({ emptied }) => emptied)).toEqual([true, true]);
  });

  test('and wants more than a machine can do beside its work gets none, and the other has it all', async () => {
    one.faults.pow = RELAY_WORK + 10;
    const ada = device([one, two], state);
    await expect(ada.saver.save()).rejects.toThrow(/1 of 2 relays hold .*difficulty/);
    expect(one.events()).toEqual([]);
    expect(await readAnew([two])).toMatchObject({ lines: lines(state()), holds: ['newest'] });
  });

  test('of a large event is found in slices, and everything else goes on in between', async () => {
    const event = {
      kind: 30_078,
      pubkey: 'ab'.repeat(32),
      created_at: 1,
      tags: [['d', 'x']],
      content: 'a'.repeat(60_000),
    };
    let pauses = 0;
    const found = await minePowInSlices(event, 8, async () => void pauses++);
    expect(powOf(eventId(found))).toBeGreaterThanOrEqual(8);
    expect(found).toMatchObject({
      content: event.content,
      tags: [
        ['d', 'x'],
        ['nonce', expect.any(String), '8'],
      ],
    });
    const tried = Number(found.tags[1]![1]);
    expect(pauses).toBe(Math.floor((tried + 1) / 16));
    expect(pauses).toBeGreaterThan(0);
    await expect(minePowInSlices(event, 30, async () => {}, 3)).rejects.toThrow(/30 bits/);
  });
});
