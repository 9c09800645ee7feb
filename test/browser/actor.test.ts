import { randomBytes } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { openBrowserKeys } from '../../src/shell/keystore-browser.ts';
import { createMail } from '../../src/shell/mail.ts';
import { StoreFailed } from '../../src/store/errors.ts';
import { walletStoreOver } from '../../src/store/memory.ts';
import type { WalletStore } from '../../src/store/wallet-store.ts';
import { type Actor, createActor } from '../../src/wallet/actor.ts';
import { type SlowDisk, slowDisk } from './rows.ts';

const NOW = 1_700_000_000;
const random = (length: number): Uint8Array => Uint8Array.from(randomBytes(length));
const now = (): number => NOW;
const DID = { type: 'add_did', did: 'did:btcr2:k1', name: null, network: 'regtest', genesis: null } as const;
const document = { '@context': [], id: DID.did };

let disk: SlowDisk;
let told: string[];

function start(): { actor: Actor; store: WalletStore; key: string } {
  const rows = disk.open();
  const store = walletStoreOver(rows, now);
  const keys = openBrowserKeys(rows, { random, now });
  const key = keys.create('did');
  const mail = createMail({ lend: keys.lend, random, maxMessageBytes: () => null });
  const actor = createActor({
    store,
    keys,
    mail,
    eye: null,
    submit: async hex => void told.push(hex),
    random,
    now,
    log: () => {},
    onStored: () => void told.push('wake'),
    onUnanswered: () => {},
    onEvent: event => void told.push(event.type),
  });
  return { actor, store, key };
}

/** Long enough for whatever does not wait for the disk. */
const aTurn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

beforeEach(() => {
  disk = slowDisk();
  told = [];
});

test('an input is answered, told and waited for only when the disk has it and the key it needs', async () => {
  const { actor, key } = start();
  let answered = false;
  let seen = false;
  const input = { ...DID, public_key: key, document };
  const fed = actor.feed(input).then(() => (answered = true));
  const until = actor.until(state => state.dids.get(DID.did), 1_000).then(() => (seen = true));
  await aTurn();
  // Asked now, when the memory knows it already.
  let ahead = false;
  const late = actor.until(state => state.dids.get(DID.did), 1_000).then(() => (ahead = true));
  await aTurn();
  expect({ answered, seen, ahead, told }).toEqual({ answered: false, seen: false, ahead: false, told: [] });
  disk.flush();
  await Promise.all([fed, until, late]);
  expect(told).toEqual(['did_created']);
  const rows = disk.open();
  expect(rows.take('log')).toHaveLength(1);
  expect(JSON.stringify(rows.take('keys'))).toContain(key);
});

test('what the disk lost is neither answered nor told, and nothing follows', async () => {
  const { actor, key } = start();
  const fed = actor.feed({ ...DID, public_key: key, document });
  const failed = expect(fed).rejects.toThrow(StoreFailed);
  await aTurn();
  disk.fail();
  await failed;
  await aTurn();
  expect(told).toEqual([]);
  await expect(actor.feed({ ...DID, did: 'did:btcr2:k2', public_key: key, document })).rejects.toThrow(StoreFailed);
  expect(told).toEqual([]);
});
