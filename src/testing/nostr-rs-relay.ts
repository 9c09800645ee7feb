import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { onPath } from './regtest-find.ts';
import { freePort, type GuardedProcess, startGuarded } from './regtest-process.ts';

export interface RelayProcess {
  /** WebSocket URL of the relay. */
  url: string;
  /** Stops the relay and, unless its folder was given, removes its data. */
  stop(): Promise<void>;
  /** Stops the relay and starts it again on the same port and data. */
  restart(): Promise<void>;
}

export interface RelayProcessOptions {
  /** Folder for the configuration and database, kept; a temporary one if left out. */
  dir?: string;
  /** Port on 127.0.0.1; a free one if left out. */
  port?: number;
}

const START_DEADLINE_MS = 20_000;
const POLL_MS = 25;
const PORT_ATTEMPTS = 3;
const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

/** Path of the nostr-rs-relay program: BTCR2_NOSTR_RS_RELAY, else on PATH, else where cargo installs; null if there is none. */
export function findNostrRsRelay(): string | null {
  const named = process.env.BTCR2_NOSTR_RS_RELAY;
  if (named !== undefined && named !== '') return existsSync(named) ? named : null;
  const built = join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'bin', 'nostr-rs-relay');
  return onPath('nostr-rs-relay') ?? (existsSync(built) ? built : null);
}

/** A JSON string is a TOML basic string as well. */
const configuration = (dir: string, port: number): string => `[info]
relay_url = "ws://127.0.0.1:${port}/"
name = "btcr2 test relay"
description = "nostr-rs-relay with its defaults, for tests"

[database]
data_directory = ${JSON.stringify(dir)}

[network]
address = "127.0.0.1"
port = ${port}

[options]
reject_future_seconds = 1800
`;

const accepts = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

async function ready(relay: GuardedProcess, port: number): Promise<void> {
  let ended = false;
  relay.exited.then(() => {
    ended = true;
  });
  for (const deadline = Date.now() + START_DEADLINE_MS; !(await accepts(port)); await pause(POLL_MS)) {
    if (ended) throw new Error(`nostr-rs-relay ended at its start: ${relay.errors()}`);
    if (Date.now() > deadline) throw new Error('nostr-rs-relay did not start');
  }
}

/**
 * Starts a real nostr-rs-relay with its default limits on 127.0.0.1; it ends with this process at the latest. Throws an
 * Error with the command that installs one if there is none.
 */
export async function startNostrRsRelay(options: RelayProcessOptions = {}): Promise<RelayProcess> {
  const program = findNostrRsRelay();
  if (program === null)
    throw new Error('no nostr-rs-relay: build one with `npm run setup:relay`, or set BTCR2_NOSTR_RS_RELAY');
  const temporary = options.dir === undefined;
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'btcr2-relay-')));
  await mkdir(dir, { recursive: true });
  const config = join(dir, 'config.toml');

  async function launch(port: number): Promise<GuardedProcess> {
    await writeFile(config, configuration(dir, port));
    const started = startGuarded(program!, ['--config', config, '--db', dir], temporary ? dir : null);
    await ready(started, port).catch(async fault => {
      await started.stop();
      throw fault;
    });
    return started;
  }

  async function launchOnFreePort(): Promise<{ port: number; relay: GuardedProcess }> {
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      try {
        return { port, relay: await launch(port) };
      } catch (fault) {
        // Somebody else may have taken the port between the look and the start.
        if (attempt >= PORT_ATTEMPTS) throw fault;
      }
    }
  }

  const { port, ...started } =
    options.port === undefined ? await launchOnFreePort() : { port: options.port, relay: await launch(options.port) };
  let { relay } = started;
  return {
    url: `ws://127.0.0.1:${port}`,
    async stop() {
      await relay.stop();
      if (temporary) await rm(dir, { recursive: true, force: true });
    },
    async restart() {
      await relay.stop();
      relay = await launch(port);
    },
  };
}
