import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The Debian suites that are used: the node from backports, every library that it needs beside it. */
const SUITE = 'trixie';
const PACKAGE = 'bitcoin-knots';
const DEBIAN_SUITE =
  /^(?:oldoldstable|oldstable|stable|testing|unstable|sid|buster|bullseye|bookworm|trixie|forky|duke)$/;
const DEFAULT_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

const ARCHITECTURES: Readonly<Record<string, { debian: string; loader: string }>> = {
  x64: { debian: 'amd64', loader: 'ld-linux-x86-64.so.2' },
  arm64: { debian: 'arm64', loader: 'ld-linux-aarch64.so.1' },
};

export interface AptSource {
  uri: string;
  suite: string;
  signedBy: string | null;
}

/** Reads the one-line form of apt sources: `deb [options] uri suite components`. */
export function parseOneLineSources(text: string): AptSource[] {
  return text.split('\n').flatMap(line => {
    const found = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)(?:\s|$)/.exec(line);
    if (found === null) return [];
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(found[1] ?? '')?.[1] ?? null;
    return [{ uri: found[2]!, suite: found[3]!, signedBy }];
  });
}

/** Reads the deb822 form of apt sources: stanzas with Types, URIs, Suites; disabled ones are left out. */
export function parseDeb822Sources(text: string): AptSource[] {
  return text.split(/\n\s*\n/).flatMap(stanza => {
    const lines = stanza.split('\n').filter(line => !line.startsWith('#'));
    const field = (name: string) =>
      lines
        .find(line => line.toLowerCase().startsWith(`${name}:`))
        ?.slice(name.length + 1)
        .trim() ?? '';
    const words = (name: string) =>
      field(name)
        .split(/\s+/)
        .filter(word => word !== '');
    if (!words('types').includes('deb') || /^(?:no|false|0|off)$/i.test(field('enabled'))) return [];
    // An embedded key block spans lines; only a path can be handed on.
    const signedBy = field('signed-by').startsWith('/') ? field('signed-by') : null;
    return words('uris').flatMap(uri => words('suites').map(suite => ({ uri, suite, signedBy })));
  });
}

async function readSources(): Promise<AptSource[]> {
  const folder = '/etc/apt/sources.list.d';
  const names = await readdir(folder).catch(() => []);
  const files = ['/etc/apt/sources.list', ...names.toSorted().map(name => join(folder, name))];
  const read = async (file: string): Promise<AptSource[]> => {
    const parse = file.endsWith('.sources') ? parseDeb822Sources : file.endsWith('.list') ? parseOneLineSources : null;
    return parse === null ? [] : parse(await readFile(file, 'utf8').catch(() => ''));
  };
  return (await Promise.all(files.map(read))).flat();
}

/** The source that serves Debian's main archive to this machine: a plain Debian suite, not security or updates. */
export const mainArchive = (sources: readonly AptSource[]): AptSource | null =>
  sources.find(source => DEBIAN_SUITE.test(source.suite)) ?? null;

/** Mirrors may carry a user and password; nothing that apt prints leaves this room with them. */
const hideLogins = (text: string): string => text.replace(/\/\/[^@/\s]*@/g, '//');

interface Apt {
  options: string[];
  download: string;
}

/** Private lists, status and cache, so that neither root nor the machine's own package state is touched. */
async function privateApt(work: string, source: AptSource, architecture: string): Promise<Apt> {
  const folders = ['state/lists/partial', 'cache/archives/partial', 'download'];
  for (const folder of folders) await mkdir(join(work, folder), { recursive: true });
  await writeFile(join(work, 'status'), '');
  const keyring = source.signedBy ?? (existsSync(DEFAULT_KEYRING) ? DEFAULT_KEYRING : null);
  const stanza = [
    'Types: deb',
    `URIs: ${source.uri}`,
    `Suites: ${SUITE} ${SUITE}-updates ${SUITE}-backports`,
    'Components: main',
    ...(keyring === null ? [] : [`Signed-By: ${keyring}`]),
  ];
  await writeFile(join(work, 'apt.sources'), `${stanza.join('\n')}\n`);
  const settings = {
    'Dir::State': join(work, 'state'),
    'Dir::State::status': join(work, 'status'),
    'Dir::Cache': join(work, 'cache'),
    'Dir::Etc::sourcelist': join(work, 'apt.sources'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'APT::Architecture': architecture,
    'APT::Architectures': architecture,
    // The folder belongs to whoever runs this, and apt's own user could not read it.
    'APT::Sandbox::User': '',
  };
  const options = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  return { options, download: join(work, 'download') };
}

async function update(apt: Apt): Promise<void> {
  try {
    await run('apt-get', [...apt.options, 'update', '-o', 'APT::Update::Error-Mode=any'], { env: english() });
  } catch (fault) {
    const output = fault instanceof Error && 'stderr' in fault ? String(fault.stderr) : '';
    if (/NO_PUBKEY|signed by|signature/i.test(output))
      throw new Error(
        `the package keyring of this machine does not know the keys of Debian ${SUITE}; ` +
          'get a newer one (apt-get install debian-archive-keyring) and try again',
      );
    throw new Error(`apt-get update failed: ${hideLogins(output).trim().slice(0, 500)}`);
  }
}

const english = (): NodeJS.ProcessEnv => ({ ...process.env, LC_ALL: 'C' });

/** The node and, level by level, the libraries that it needs; not the service manager and dialogs it would be installed with. */
async function libraryClosure(apt: Apt): Promise<string[]> {
  const wanted = new Set([PACKAGE]);
  for (let level = [PACKAGE]; level.length > 0; ) {
    const { stdout } = await run('apt-cache', [...apt.options, 'depends', '--important', ...level], { env: english() });
    const needed = [...stdout.matchAll(/^\s*(?:Pre)?Depends: ([a-z0-9][a-z0-9.+-]*)$/gm)].map(match => match[1]!);
    level = [...new Set(needed)].filter(name => name.startsWith('lib') && !wanted.has(name));
    for (const name of level) wanted.add(name);
  }
  return [...wanted];
}

async function versionOf(apt: Apt): Promise<string> {
  const { stdout } = await run('apt-cache', [...apt.options, 'policy', PACKAGE], { env: english() });
  const version = /Candidate: (\S+)/.exec(stdout)?.[1];
  if (version === undefined || version === '(none)')
    throw new Error(`the mirror of this machine has no ${PACKAGE} in ${SUITE}-backports`);
  return version.replace(/[^0-9A-Za-z.]+.*$/, '');
}

/** Starts the program through its own loader and libraries, so that an older Debian can run it. */
const launcher = (loader: string, libraries: string, program: string): string =>
  [
    '#!/bin/sh',
    'here=$(dirname "$(readlink -f "$0")")/..',
    `exec "$here/root/${loader}" --library-path "$here/root/${libraries}" "$here/root/usr/bin/${program}" "$@"`,
    '',
  ].join('\n');

async function unpack(work: string, apt: Apt, loader: string): Promise<void> {
  const root = join(work, 'root');
  await mkdir(root);
  for (const name of await readdir(apt.download))
    if (name.endsWith('.deb')) await run('dpkg', ['-x', join(apt.download, name), root]);
  const triplet = (await readdir(join(root, 'usr/lib'))).find(name => name.endsWith('-linux-gnu'));
  if (triplet === undefined) throw new Error('the unpacked packages have no library folder');
  const libraries = join('usr/lib', triplet);
  await mkdir(join(work, 'bin'));
  for (const program of ['bitcoind', 'bitcoin-cli']) {
    const file = join(work, 'bin', program);
    await writeFile(file, launcher(join(libraries, loader), libraries, program));
    await chmod(file, 0o755);
  }
}

/** Path of a bitcoind that was unpacked into `cache` before, or null. */
export async function unpackedBitcoind(cache: string): Promise<string | null> {
  const names = (await readdir(cache).catch(() => [])).filter(name => /^bitcoin-\d[\w.]*$/.test(name));
  const newest = names.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
  const file = newest === undefined ? null : join(cache, newest, 'bin', 'bitcoind');
  return file !== null && existsSync(file) ? file : null;
}

/** Whether this machine looks like a Debian that `unpackBitcoind` can work on. */
export async function canUnpack(): Promise<boolean> {
  if (process.platform !== 'linux' || ARCHITECTURES[process.arch] === undefined) return false;
  const tools = ['/usr/bin/apt-get', '/usr/bin/apt-cache', '/usr/bin/dpkg'];
  return tools.every(tool => existsSync(tool)) && mainArchive(await readSources()) !== null;
}

/**
 * Downloads a bitcoind and its libraries from the Debian mirror that this machine is set up with, signatures checked
 * against the machine's own keyring, and unpacks them into `cache`. Needs no root and installs nothing. Callers at the
 * same time are safe: each works in a folder of its own, and the first to rename it into place wins. Returns the path
 * of the program.
 */
export async function unpackBitcoind(cache: string, log: (line: string) => void): Promise<string> {
  const source = mainArchive(await readSources());
  const architecture = ARCHITECTURES[process.arch];
  if (source === null || architecture === undefined) throw new Error('this machine has no Debian package source');
  await mkdir(cache, { recursive: true });
  const scratch = await mkdtemp(join(tmpdir(), 'btcr2-apt-'));
  const unpacked = await mkdtemp(join(cache, '.unpacking-'));
  try {
    const apt = await privateApt(scratch, source, architecture.debian);
    log('reading the package lists of the Debian mirror');
    await update(apt);
    const version = await versionOf(apt);
    const packages = await libraryClosure(apt);
    log(`downloading ${PACKAGE} ${version} and ${packages.length - 1} libraries`);
    await run('apt-get', [...apt.options, 'download', ...packages], { cwd: apt.download, env: english() });
    await unpack(unpacked, apt, architecture.loader);
    const target = join(cache, `bitcoin-${version}`);
    await run(join(unpacked, 'bin', 'bitcoind'), ['-version']);
    await rename(unpacked, target).catch(fault => {
      if (!existsSync(join(target, 'bin', 'bitcoind'))) throw fault;
    });
    return join(target, 'bin', 'bitcoind');
  } finally {
    await rm(scratch, { recursive: true, force: true });
    await rm(unpacked, { recursive: true, force: true });
  }
}
