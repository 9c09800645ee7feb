import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, type ConfigInput, loadConfig } from '../../src/config.ts';

export const SECRET_KEY = `${'0'.repeat(63)}3`;
export const BASE = `network = "regtest"
[chain]
backend = "esplora"
url = "http://127.0.0.1:3002"
`;

export interface Folder {
  readonly dir: string;
  path(name: string): string;
  write(name: string, text: string, mode?: number): string;
  load(input?: Partial<ConfigInput>): ReturnType<typeof loadConfig>;
  /** The problems of a configuration, one `key: text` each; none if it loads. */
  problems(input?: Partial<ConfigInput>): string[];
  remove(): void;
}

/** A folder with a configuration that loads, to be spoilt by tests. */
export function makeFolder(toml: string = BASE): Folder {
  const dir = mkdtempSync(join(tmpdir(), 'btcr2-config-'));
  const path = (name: string): string => join(dir, name);
  const write = (name: string, text: string, mode = 0o600): string => {
    writeFileSync(path(name), text);
    chmodSync(path(name), mode);
    return path(name);
  };
  mkdirSync(path('home'));
  write('btcr2-aggregator.toml', toml);
  write('relays.json', '{"relays": ["ws://127.0.0.1:7777"]}');
  write('identity.key', `${SECRET_KEY}\n`);
  const load: Folder['load'] = input => loadConfig({ env: {}, cwd: dir, home: path('home'), ...input });
  return {
    dir,
    path,
    write,
    load,
    problems(input) {
      try {
        load(input);
        return [];
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        return error.problems.map(({ key, text }) => `${key}: ${text}`);
      }
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
