import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/crypto/index.ts';
import { openKeyFile, type SeedKeyStore } from '../../src/shell/keystore.ts';
import { openStore } from '../../src/store/index.ts';
import { runCli } from '../../src/wallet/cli/index.ts';
import type { OpenWallet } from '../../src/wallet/cli/open.ts';
import { deriveSecret } from '../../src/wallet/seed.ts';
import bip39 from '../vectors/bip39/bip39.json' with { type: 'json' };
import { cli, fakeWallet, NO_CHAIN, NOW, tempFolder, tempHome } from './cli/harness.ts';

const WORDS = bip39.entropy[1]![1]!;
const PASSPHRASE = 'correct horse battery staple';

const initArgs = (home: string, ...more: string[]): string[] => [
  ...['init', '--network', 'regtest', '--home', home, '--relay', 'ws://127.0.0.1:9', ...NO_CHAIN],
  ...more,
];
const keysOf = (home: string): string => readFileSync(join(home, 'keys.json'), 'utf8');
const open = (home: string, passphrase?: string): SeedKeyStore =>
  openKeyFile(
    join(home, 'keys.json'),
    length => new Uint8Array(length).fill(3),
    () => NOW,
    {
      passphrase,
      derive: deriveSecret,
    },
  );

function secretFile(text: string, mode = 0o600): string {
  const path = join(tempFolder(), 'secret');
  writeFileSync(path, `${text}\n`, { mode });
  return path;
}

/** A wallet that is opened as the program would, and tells with which passphrase. */
function opening(): { wallet: OpenWallet; passphrases: (string | undefined)[] } {
  const passphrases: (string | undefined)[] = [];
  return {
    passphrases,
    wallet: async ({ passphrase }) => {
      passphrases.push(passphrase);
      return fakeWallet();
    },
  };
}

/** One command line of a person who types these secrets, in this order. */
async function typing(argv: string[], ...secrets: string[]) {
  const written = { out: '', err: '' };
  const questions: string[] = [];
  const code = await runCli(
    argv,
    {
      out: {
        write(text) {
          written.out += text;
        },
      },
      err: {
        write(text) {
          written.err += text;
        },
      },
      ask: null,
      askSecret: async question => {
        questions.push(question);
        return secrets.shift() ?? '';
      },
      env: {},
      cwd: tempFolder(),
      now: () => NOW,
      signal: new AbortController().signal,
    },
    opening().wallet,
  );
  return { code, questions, ...written };
}

describe('init with a passphrase', () => {
  test('locks the keys by a file, the environment or what is typed twice, and repeats it nowhere', async () => {
    const path = secretFile(PASSPHRASE);
    const [one, two, three, four] = ['1', '2', '3', '4'].map(name => join(tempFolder(), name)) as [
      string,
      string,
      string,
      string,
    ];
    const said = [
      await cli(initArgs(one, '--passphrase-file', path)),
      await cli(initArgs(two), { env: { BTCR2_WALLET_PASSPHRASE_FILE: path } }),
      await cli(initArgs(three), { env: { BTCR2_WALLET_PASSPHRASE: PASSPHRASE } }),
      await typing(initArgs(four, '--lock'), PASSPHRASE, PASSPHRASE),
    ];
    for (const [i, home] of [one, two, three, four].entries()) {
      expect(said[i]!.code, said[i]!.err).toBe(0);
      expect(said[i]!.out + said[i]!.err + keysOf(home)).not.toContain(PASSPHRASE);
      expect(open(home, PASSPHRASE).isLocked()).toBe(true);
    }
  });

  test('refuses a file that others can read, two that differ, and to ask nobody', async () => {
    const home = join(tempFolder(), 'w');
    const loose = await cli(initArgs(home, '--passphrase-file', secretFile(PASSPHRASE, 0o644)));
    expect(loose).toMatchObject({ code: 2, err: expect.stringContaining('can be read by others (mode 0644)') });
    const typo = await typing(initArgs(home, '--lock'), PASSPHRASE, 'another');
    expect(typo).toMatchObject({ code: 1, err: expect.stringContaining('two different passphrases') });
    const nobody = await cli(initArgs(home, '--lock'));
    expect(nobody).toMatchObject({ code: 1, err: expect.stringContaining('BTCR2_WALLET_PASSPHRASE_FILE') });
  });

  test('says plainly that keys without one are plain', async () => {
    const said = await cli(initArgs(join(tempFolder(), 'w')));
    expect(said.err).toContain('keys.json is plain text; to lock it: btcr2-wallet passwd');
  });
});

describe('passwd', () => {
  test('locks plain keys, then changes the passphrase, typed unseen', async () => {
    const home = await tempHome();
    const key = open(home).create('did');
    const secret = open(home).lend(key, toHex);
    const first = await typing(['passwd', '--home', home], PASSPHRASE, PASSPHRASE);
    expect(first).toMatchObject({ code: 0, out: 'the keys are locked\n' });
    expect(keysOf(home)).not.toContain(secret);
    const second = await typing(['passwd', '--home', home], PASSPHRASE, 'next', 'next');
    expect(second).toMatchObject({ code: 0, out: 'the keys have a new passphrase\n' });
    expect(second.questions).toHaveLength(3);
    expect(open(home, 'next').lend(key, toHex)).toBe(secret);
  });

  test('changes nothing with a wrong passphrase, or while another process has the wallet open', async () => {
    const home = await tempHome();
    await typing(['passwd', '--home', home], PASSPHRASE, PASSPHRASE);
    const before = keysOf(home);
    const wrong = await typing(['passwd', '--home', home, '--json'], 'guess', 'next', 'next');
    expect(JSON.parse(wrong.out)).toEqual({
      error: { code: 'key_file', message: 'the passphrase does not open the key file' },
    });
    const store = openStore(join(home, 'wallet.db'), { application: 'wallet' });
    try {
      const busy = await typing(['passwd', '--home', home, '--json'], PASSPHRASE, 'next', 'next');
      expect(JSON.parse(busy.out)).toMatchObject({ error: { code: 'in_use' } });
    } finally {
      store.close();
    }
    expect(keysOf(home)).toBe(before);
  });
});

describe('a command that opens a wallet', () => {
  test('takes the passphrase from where it is told to, and asks only for locked keys', async () => {
    const home = await tempHome();
    const argv = ['status', '--home', home];
    const plain = opening();
    await cli(argv, { wallet: plain.wallet });
    expect(plain.passphrases).toEqual([undefined]);
    await typing(['passwd', '--home', home], PASSPHRASE, PASSPHRASE);
    const given = opening();
    await cli([...argv, '--passphrase-file', secretFile('by flag')], {
      wallet: given.wallet,
      env: { BTCR2_WALLET_PASSPHRASE: 'by environment' },
    });
    await cli(argv, { wallet: given.wallet, env: { BTCR2_WALLET_PASSPHRASE_FILE: secretFile('by file') } });
    await cli(argv, { wallet: given.wallet, env: { BTCR2_WALLET_PASSPHRASE: 'by environment' } });
    expect(given.passphrases).toEqual(['by flag', 'by file', 'by environment']);
    expect((await typing(argv, PASSPHRASE)).questions).toEqual(['passphrase of the keys: ']);
    const nobody = await cli([...argv, '--json']);
    expect(JSON.parse(nobody.out)).toMatchObject({ error: { code: 'no_passphrase' } });
  });
});

describe('init with a seed', () => {
  test('shows the words once, and they make the same keys again', async () => {
    const [home, again] = [join(tempFolder(), 'a'), join(tempFolder(), 'b')];
    const { words } = JSON.parse((await cli(initArgs(home, '--seed', '--json'))).out);
    expect(words.split(' ')).toHaveLength(24);
    expect(keysOf(home)).not.toContain(words);
    const old = open(home);
    const [did, transport, cohort] = [old.create('did'), old.create('transport'), old.create('cohort')];
    const restored = await typing(initArgs(again, '--restore', '--lock'), PASSPHRASE, PASSPHRASE, words);
    expect(restored).toMatchObject({ code: 0 });
    expect(restored.out + restored.err).not.toContain(words);
    const keys = open(again, PASSPHRASE);
    expect([keys.has(did), keys.has(transport), keys.has(cohort)]).toEqual([true, true, false]);
    expect(keys.lend(did, toHex)).toBe(old.lend(did, toHex));
    // What may have been used is not handed out as new.
    expect(keys.create('did')).toBe(old.peek('did', 20));
  });

  test('writes the words to a file that only its owner can read, and takes them from one', async () => {
    const [home, again] = [join(tempFolder(), 'a'), join(tempFolder(), 'b')];
    const file = join(tempFolder(), 'words');
    const said = await cli(initArgs(home, '--seed', '--words-file', file));
    const words = readFileSync(file, 'utf8').trim();
    expect(said.out + said.err).not.toContain(words);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await cli(initArgs(again, '--restore', '--words-file', file, '--keys', '3'))).code).toBe(0);
    const keys = open(again);
    expect([0, 1, 2, 3].map(i => keys.has(open(home).peek('transport', i)))).toEqual([true, true, true, false]);
  });

  test.each([
    [['--seed', '--restore'], 2, '--restore takes an old one'],
    [['--words-file', 'x'], 2, '--words-file needs --seed or --restore'],
    [['--seed', '--keys', '3'], 2, '--keys needs --restore'],
    [['--restore', '--keys', '100000'], 2, '--keys is at most 10000'],
    [['--restore'], 2, 'give --words-file where nobody can be asked'],
  ])('%j is refused', async (more, code, text) => {
    const home = join(tempFolder(), 'w');
    expect(await cli(initArgs(home, ...more))).toMatchObject({ code, err: expect.stringContaining(text) });
  });

  test('refuses words that are none, without repeating them, and makes nothing', async () => {
    const home = join(tempFolder(), 'w');
    const wrong = WORDS.replace('legal', 'zoo');
    const said = await typing(initArgs(home, '--restore'), wrong);
    expect(said).toMatchObject({ code: 1, err: expect.stringContaining('no 12 to 24 words') });
    expect(said.err + said.out).not.toContain('winner');
    expect((await typing(initArgs(home, '--restore'), WORDS)).code).toBe(0);
  });
});
