import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { curve } from '#curve';
import { fromBase64url, toHex } from '../../src/crypto/index.ts';
import type { Sidecar, SignedUpdate } from '../../src/did/index.ts';
import type { Envelope } from '../../src/messages/index.ts';
import { openKeyFile } from '../../src/shell/keystore.ts';
import { createMail } from '../../src/shell/mail.ts';
import { leafIndex, verifySmtProof } from '../../src/smt/index.ts';
import type { DidSigner, Wallet } from '../../src/wallet/index.ts';
import {
  announced,
  closed,
  deposit,
  gather,
  logged,
  newDid,
  removeDir,
  startAggregator,
  startWallet,
  tempDir,
  until,
} from './harness.ts';
import { addService } from './raw-did.ts';
import { randomSecret } from './raw-member.ts';
import { stage } from './stage.ts';

const at = stage();

const random = (length: number): Uint8Array => Uint8Array.from(randomBytes(length));
const now = (): number => Math.floor(Date.now() / 1000);

/** Every directed message that the relay carried to a key of this folder, decrypted. */
function mailOf(folder: string): Envelope[] {
  const keys = openKeyFile(join(folder, 'keys.json'), random, now);
  const mail = createMail({ lend: keys.lend, random, maxMessageBytes: () => null });
  return at.relay.events().flatMap(event => {
    const to = event.tags.find(tag => tag[0] === 'p')?.[1];
    if (event.kind !== 8252 || to === undefined || !keys.has(to)) return [];
    const opened = mail.open(event, to, now());
    return opened.status === 'message' && opened.read.ok ? [opened.read.envelope] : [];
  });
}

/** What only the controller may know of a DID, each in every spelling that it has. */
function secretsOf(did: string, { genesisDocument, updates, smtProofs }: Sidecar): string[] {
  const hashes = smtProofs.flatMap(({ nonce, updateId }) => [nonce, updateId].filter(value => value !== undefined));
  const texts = (updates as SignedUpdate[]).flatMap(update => [
    update.sourceHash,
    update.targetHash,
    update.proof.proofValue,
    ...update.patch.map(operation => JSON.stringify(operation)),
  ]);
  const keys = JSON.stringify(genesisDocument ?? {}).match(/zQ3s[1-9A-HJ-NP-Za-km-z]+/g) ?? [];
  return [
    did,
    did.slice('did:btcr2:'.length),
    ...texts,
    ...keys,
    ...hashes,
    ...hashes.map(h => toHex(fromBase64url(h))),
  ];
}

test('an aggregator of blinded leaves never learns a DID, an update, an announcement or a nonce', {
  timeout: 90_000,
}, async () => {
  const world = at.world;
  const aggregator = await startAggregator(world, {
    flow: 'pull',
    privacy: 'blinded',
    frequency: { interval: 3_600, min_interval: 0, pending_updates: 1_000 },
  });
  let [alexis, satoshi] = (await Promise.all(['alexis', 'satoshi'].map(name => startWallet(world, name)))) as [
    Wallet,
    Wallet,
  ];
  const { cohort, address } = await gather(aggregator, [alexis, satoshi]);
  const [one, two] = [await newDid(alexis, cohort), await newDid(satoshi, cohort)];
  await deposit(at.node, address);
  const round = async (number: number): Promise<void> => {
    expect(await announced(aggregator, cohort)).toBe(number);
    await at.node.mine(6);
    await closed(aggregator, cohort, number);
  };
  const shows = (wallet: Wallet, did: string, version: string) =>
    until(`${did} at version ${version}`, async () => (await wallet.resolve({ did })).versionId === version);

  await alexis.update({ did: one, patch: addService('replaced') });
  await alexis.update({ did: one, patch: addService('first') });
  await round(1);
  await shows(alexis, one, '2');
  await shows(satoshi, two, '1');

  // A wallet that starts again makes the same nonces whole, and a DID that comes late has an empty index so far.
  await alexis.stop();
  alexis = await startWallet(world, 'alexis');
  const late = await newDid(satoshi, cohort);
  await alexis.update({ did: one, patch: addService('second') });
  await satoshi.update({ did: late, patch: addService('late') });
  await round(2);
  await shows(alexis, one, '3');
  await shows(satoshi, two, '1');
  await shows(satoshi, late, '2');

  const secrets = [
    [alexis, one],
    [satoshi, two],
    [satoshi, late],
  ].flatMap(([wallet, did]) => secretsOf(did as string, (wallet as Wallet).sidecar(did as string)));
  for (const what of ['https://first.example', 'https://replaced.example', '#late']) secrets.push(what);
  // Three DIDs in two signals: late had no leaf in the first one, so five nonces; and three updates at least.
  expect(new Set(secrets).size).toBeGreaterThan(3 * 3 + 2 * (5 + 3) + 3 * 4);
  await Promise.all([alexis.stop(), satoshi.stop(), aggregator.stop()]);

  const folder = join(at.dir, 'aggregator');
  const files = readdirSync(folder).map(name => readFileSync(join(folder, name), 'latin1'));
  const lines = logged()
    .split('\n')
    .filter(line => line.split(' ')[1] === 'aggregator');
  const received = mailOf(folder);
  const sent = ['alexis', 'satoshi'].flatMap(name => mailOf(join(at.dir, name)));
  const places = { files: files.join('\n'), log: lines.join('\n'), mail: JSON.stringify([...received, ...sent]) };
  // Each place is really looked into: all of them know the beacon or the cohort, and two of them the leaves.
  for (const did of [one, two, late]) {
    const index = toHex(leafIndex(did));
    expect(places.files).toContain(index);
    expect(places.mail).toContain(index);
  }
  expect(places.log).toContain(cohort.slice(0, 8));
  const types = received.map(({ type }) => type);
  expect(types).toContain('update_response');
  expect(types).not.toContain('did_update');
  expect(new Set(sent.map(({ type }) => type))).toContain('authorize_beacon_signal_request');
  for (const secret of secrets) {
    const found = Object.entries(places).flatMap(([place, text]) => (text.includes(secret) ? [place] : []));
    expect([secret, found]).toEqual([secret, []]);
  }
});

// fault 58
test('a member whose index was squatted wins it back by naming its DID, and both are told', {
  timeout: 180_000,
}, async () => {
  const world = { dir: tempDir(), node: at.node, relays: [at.relay.url] };
  const aggregator = await startAggregator(world, {
    flow: 'pull',
    privacy: 'blinded',
    frequency: { interval: 3_600, min_interval: 0, pending_updates: 1_000 },
  });
  const [mallory, satoshi] = await Promise.all([startWallet(world, 'mallory'), startWallet(world, 'satoshi')]);
  const { cohort, address } = await gather(aggregator, [mallory, satoshi]);

  // Mallory's wallet wants a signer for what it registers; all that leaves it is the index, which anybody can name.
  const secret = randomSecret();
  const didSigner: DidSigner = {
    publicKey: toHex(curve.publicKey(secret)),
    sign: async hash => curve.signSchnorr(hash, secret, random(32)),
  };
  const [{ did }] = (await Promise.all(
    [satoshi, mallory].map(wallet => wallet.createDid({ kind: 'k', didSigner })),
  )) as [{ did: string }, unknown];
  const index = toHex(leafIndex(did));
  expect(await mallory.register({ did, cohort, didSigner })).toMatchObject({ proven: false });

  await expect(satoshi.register({ did, cohort, didSigner })).rejects.toThrow(/did_taken.*--disclose/);
  const stateOf = (wallet: Wallet) => wallet.status().dids.find(own => own.did === did)?.beacons[0];
  expect(stateOf(satoshi)).toMatchObject({ state: 'refused', proven: false });
  const told: string[] = [];
  mallory.onEvent(event => event.type === 'registration_refused' && told.push(event.code));

  expect(await satoshi.register({ did, cohort, didSigner, disclose: true })).toMatchObject({ proven: true });
  expect(stateOf(satoshi)).toMatchObject({ state: 'registered', proven: true });
  await until('the squatter is told', () => stateOf(mallory)?.state === 'refused');
  expect(told).toEqual(['did_taken']);
  expect((await aggregator.api.cohortShow({ cohort })).registered).toMatchObject([{ did: index, proven: true }]);

  await deposit(at.node, address);
  const other = await newDid(satoshi, cohort);
  await satoshi.update({ did: other, patch: addService('won') });
  await announced(aggregator, cohort);
  const signal = await until('the wallet sees it', () => satoshi.status().cohorts[0]?.signals[0]);
  await at.node.mine(6);
  await until('it resolves', async () => (await satoshi.resolve({ did: other })).versionId === '2');
  // The leaf that the squatter could have filled is the controller's: it proves that there was no update.
  const proof = satoshi.sidecar(did).smtProofs.find(({ id }) => toHex(fromBase64url(id)) === signal.signal_bytes);
  expect(proof).toMatchObject({ nonce: expect.any(String) });
  expect(proof).not.toHaveProperty('updateId');
  expect(verifySmtProof(leafIndex(did), proof!, 'spec')).toBe(true);
  expect(mallory.sidecar(did).smtProofs).toEqual([]);
  await Promise.all([mallory.stop(), satoshi.stop(), aggregator.stop()]);
  removeDir(world.dir);
});
