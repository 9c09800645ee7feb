import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import * as nip19 from 'nostr-tools/nip19';
import { curve } from '#curve';
import { NETWORKS, type Network } from '../bitcoin/network.ts';
import { checkIdentityKey, readRelays } from '../config/files.ts';
import { isPlainHttpUrl } from '../config/schema.ts';
import { absolute } from '../config/sources.ts';
import { type Bytes, toHex } from '../crypto/index.ts';
import { didOfIdentity } from '../nostr/advert.ts';
import { parseSecretKey } from '../nostr/keys.ts';
import { OperatorError } from './api.ts';
import { UsageError } from './command-line.ts';
import { BITCOIND, type ChainChoice, configText } from './template.ts';

export interface InitRequest {
  network?: string | undefined;
  mainnet: boolean;
  dir?: string | undefined;
  relays: readonly string[];
  /** No relay: messages are carried as files. */
  byHand?: boolean;
  bitcoind?: string | undefined;
  cookie?: string | undefined;
  esplora?: string | undefined;
  force: boolean;
}

export interface InitResult {
  config: string;
  relays_file: string;
  key_file: string;
  /** Whether the identity key was there before. */
  kept_key: boolean;
  network: Network;
  npub: string;
  did: string;
}

const REGTEST_RELAY = 'ws://127.0.0.1:7777';

function readNetwork(name = 'regtest', mainnet: boolean): Network {
  const network = NETWORKS.find(known => known === name);
  if (network === undefined) throw new UsageError(`--network has to be one of ${NETWORKS.join(', ')}`);
  if (network === 'bitcoin' && !mainnet)
    throw new UsageError('--network bitcoin is real money, and has to be meant: add --mainnet');
  if (network !== 'bitcoin' && mainnet) throw new UsageError('--mainnet goes with --network bitcoin only');
  return network;
}

function readChain(
  { bitcoind, cookie, esplora }: InitRequest,
  network: Network,
  cwd: string,
  home: string,
): ChainChoice {
  if (esplora !== undefined && (bitcoind !== undefined || cookie !== undefined))
    throw new UsageError('--esplora stands alone: the chain comes from one place');
  for (const [flag, url] of [
    ['--esplora', esplora],
    ['--bitcoind', bitcoind],
  ] as const)
    if (url !== undefined && !isPlainHttpUrl(url))
      throw new UsageError(`${flag} needs an http:// or https:// URL without user and password`);
  if (esplora !== undefined) return { backend: 'esplora', url: esplora };
  const { port, folder } = BITCOIND[network];
  return {
    backend: 'bitcoind',
    url: bitcoind ?? `http://127.0.0.1:${port}`,
    cookie: cookie === undefined ? join(home, '.bitcoin', folder, '.cookie') : absolute(cookie, cwd, home),
  };
}

function readRelayFlags(relays: readonly string[], network: Network): string[] {
  if (relays.length === 0 && network !== 'regtest')
    throw new UsageError(`--relay URL is needed on ${network}: no relay is chosen for you (--by-hand needs none)`);
  const read = readRelays('--relay', relays.length === 0 ? [REGTEST_RELAY] : relays);
  if (!read.ok) throw new UsageError(read.problems.map(({ key, text }) => `${key} ${text}`).join('; '));
  return read.value;
}

/** A secret key whose public key has even y: then the x-only key of Nostr and the compressed key of the DID are one. */
function drawIdentity(random: (length: number) => Bytes): Bytes {
  let secret = random(32);
  while (!curve.isSecretKey(secret)) secret = random(32);
  return curve.publicKey(secret)[0] === 2 ? secret : curve.scalarNegate(secret);
}

function writePrivate(path: string, text: string, overwrite: boolean): void {
  if (!overwrite) {
    writeFileSync(path, text, { mode: 0o600, flag: 'wx' });
    return;
  }
  const next = `${path}.new`;
  // A mode is given to new files only.
  rmSync(next, { force: true });
  writeFileSync(next, text, { mode: 0o600 });
  renameSync(next, path);
}

/**
 * Writes a first configuration, relays.json and an identity key of even y, each with mode 0600. Refuses before it
 * writes anything: UsageError for what was typed, OperatorError `exists` for files that are there. `force` overwrites
 * configuration and relays; an identity key is never overwritten. Returns nothing that is secret.
 */
export function initialise(
  request: InitRequest,
  { cwd, home = homedir(), random }: { cwd: string; home?: string; random: (length: number) => Bytes },
): InitResult {
  const network = readNetwork(request.network, request.mainnet);
  const chain = readChain(request, network, cwd, home);
  if (request.byHand && request.relays.length > 0)
    throw new UsageError('--by-hand is for an aggregator without relays: without --relay');
  const relays = request.byHand ? [] : readRelayFlags(request.relays, network);
  const dir = request.dir === undefined ? cwd : resolve(absolute(request.dir, cwd, home));
  const config = join(dir, 'btcr2-aggregator.toml');
  const relays_file = join(dir, 'relays.json');
  const key_file = join(dir, 'identity.key');

  const there = [config, relays_file, key_file].filter(path => existsSync(path));
  if (there.length > 0 && !request.force)
    throw new OperatorError(
      'exists',
      `${there.join(' and ')} ${there.length === 1 ? 'exists' : 'exist'}; --force writes configuration and relays anew and keeps the key`,
    );
  const kept = existsSync(key_file);
  const bad = kept ? checkIdentityKey(key_file) : [];
  if (bad.length > 0) throw new OperatorError('bad_key', bad.map(({ text }) => text).join('; '));

  mkdirSync(dir, { recursive: true, mode: 0o700 });
  if (!kept) {
    const secret = drawIdentity(random);
    writePrivate(key_file, `${toHex(secret)}\n`, false);
    secret.fill(0);
  }
  writePrivate(relays_file, `${JSON.stringify({ relays }, null, 2)}\n`, request.force);
  writePrivate(
    config,
    configText({ network, mainnet: request.mainnet, byHand: request.byHand === true, chain }),
    request.force,
  );

  const identity = publicKeyOf(key_file);
  return {
    config,
    relays_file,
    key_file,
    kept_key: kept,
    network,
    npub: nip19.npubEncode(identity),
    did: didOfIdentity(identity, network),
  };
}

function publicKeyOf(path: string): string {
  const secret = parseSecretKey(readFileSync(path, 'utf8'))!;
  const key = toHex(curve.publicKey(secret).subarray(1));
  secret.fill(0);
  return key;
}
