#!/usr/bin/env node
// Builds the nostr-rs-relay that tests can run against. Does nothing when there is one.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const NAME = 'nostr-rs-relay';
const VERSION = '0.8.12';
// The lock file that this release carries pins a version of `time` that no Rust since 1.80 compiles.
const TIME = { locked: '0.3.25', precise: '0.3.36' };

const say = text => process.stdout.write(`${text}\n`);

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

const has = program => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;

function run(program, args, options = {}) {
  const { status } = spawnSync(program, args, { stdio: 'inherit', ...options });
  if (status !== 0) fail(`${program} ${args.join(' ')} failed`);
}

function ensureProtoc() {
  if (has('protoc')) return;
  const mayInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
  if (!mayInstall)
    fail(
      'protoc is missing. Install it (Debian: sudo apt-get install protobuf-compiler; macOS: brew install protobuf)',
    );
  run('apt-get', ['install', '-y', '--no-install-recommends', 'protobuf-compiler']);
}

/** Has cargo fetch the release's sources and tells their folder. */
function fetchSources(work) {
  const probe = join(work, 'probe');
  mkdirSync(join(probe, 'src'), { recursive: true });
  writeFileSync(join(probe, 'src', 'lib.rs'), '');
  const manifest = `[package]\nname = "probe"\nversion = "0.0.0"\nedition = "2021"\n\n[dependencies]\n${NAME} = "=${VERSION}"\n`;
  writeFileSync(join(probe, 'Cargo.toml'), manifest);
  const asked = spawnSync('cargo', ['metadata', '--format-version', '1'], {
    cwd: probe,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 64_000_000,
  });
  if (asked.status !== 0) fail('cargo could not fetch the sources');
  const found = JSON.parse(asked.stdout).packages.find(({ name, version }) => name === NAME && version === VERSION);
  return dirname(found.manifest_path);
}

const binary = join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'bin', NAME);
if (existsSync(binary)) {
  say(binary);
} else {
  if (!has('cargo')) fail('cargo is missing: install Rust 1.70 or newer with a C compiler first');
  ensureProtoc();
  const work = mkdtempSync(join(tmpdir(), 'btcr2-relay-build-'));
  try {
    say(`building ${NAME} ${VERSION}; this takes some minutes`);
    const source = join(work, NAME);
    cpSync(fetchSources(work), source, { recursive: true });
    rmSync(join(source, '.cargo-ok'), { force: true });
    run('cargo', ['update', '-p', `time@${TIME.locked}`, '--precise', TIME.precise], { cwd: source });
    run('cargo', ['install', '--path', source, '--locked', '--bin', NAME]);
    say(binary);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
