import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as nip49 from 'nostr-tools/nip49';
import { describe, expect, onTestFinished, test } from 'vitest';
import { curve } from '#curve';
import { sha256, toHex, utf8 } from '../../src/crypto/index.ts';
import {
  changeKeyFilePassphrase,
  type KeyFileFault,
  type KeyKind,
  type KeyStore,
  KeyUseRefused,
  openKeyFile,
} from '../../src/shell/keystore.ts';
import { openCipher } from '../../src/shell/keystore-cipher.ts';
import { checkAll, parseKeyFile } from '../../src/shell/keystore-content.ts';
import vector from '../vectors/nip49/nip49.json' with { type: 'json' };

const PASSPHRASE = 'correct horse battery staple';

/** Random bytes that a test can repeat. */
function drawing(label: string): (length: number) => Uint8Array {
  let i = 0;
  return length => sha256(utf8(`${label} ${i++}`)).slice(0, length);
}

function keyFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'bk-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'keys.json');
}

const open = (path: string, passphrase?: string, label = 'keys') =>
  openKeyFile(path, drawing(label), () => 7, { passphrase });

/** The secret in hex, and never elsewhere than in a test. */
const secretIn = (keys: KeyStore, key: string, use?: 'musig' | 'statement'): string => keys.lend(key, toHex, use);

function faultOf(run: () => unknown): KeyFileFault | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return (error as { fault?: KeyFileFault }).fault;
  }
}

/** One key of every kind, with its secret. */
function fill(keys: KeyStore): [KeyKind, string, string][] {
  return (['transport', 'identity', 'did', 'nonces', 'cohort'] as const).map(kind => {
    const key = keys.create(kind);
    return [kind, key, secretIn(keys, key, kind === 'cohort' ? 'statement' : undefined)];
  });
}

interface Entry {
  kind: string;
  created_at: number;
  secret?: string;
  sealed?: string;
  ncryptsec?: string;
}
interface Shape {
  version: number;
  lock: { log_n: number; salt: string; check: string };
  keys: Record<string, Entry>;
}
const shapeOf = (path: string): Shape => JSON.parse(readFileSync(path, 'utf8'));
function change(path: string, edit: (shape: Shape) => void): void {
  const shape = shapeOf(path);
  edit(shape);
  writeFileSync(path, JSON.stringify(shape));
}

test('the library decrypts the vector of NIP-49', () => {
  expect(toHex(nip49.decrypt(vector.ncryptsec, vector.password))).toBe(vector.secret);
});

describe('a locked key file', () => {
  test('gives its keys back to its passphrase, however that was composed', () => {
    const path = keyFile();
    const made = fill(open(path, 'é Å'));
    const again = open(path, 'e\u0301 A\u030a', 'later');
    expect(again.isLocked()).toBe(true);
    for (const [kind, key, secret] of made)
      expect(secretIn(again, key, kind === 'cohort' ? 'musig' : undefined)).toBe(secret);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('holds no secret, nor the passphrase, in the clear', () => {
    const path = keyFile();
    const made = fill(open(path, PASSPHRASE));
    const text = readFileSync(path, 'utf8');
    for (const [, , secret] of made) expect(text).not.toContain(secret);
    expect(text).not.toContain(PASSPHRASE);
  });

  test('has Nostr keys as any other NIP-49 program reads them, and nothing else that way', () => {
    const path = keyFile();
    const made = fill(open(path, PASSPHRASE));
    const { keys } = shapeOf(path);
    for (const [kind, key, secret] of made) {
      const { ncryptsec } = keys[key]!;
      if (kind !== 'transport') expect(ncryptsec === undefined).toBe(kind !== 'identity');
      else expect(toHex(nip49.decrypt(ncryptsec!, PASSPHRASE))).toBe(secret);
    }
  });

  test('refuses another passphrase and none, says which, and stays as it was', () => {
    const path = keyFile();
    fill(open(path, PASSPHRASE));
    const before = readFileSync(path, 'utf8');
    expect(faultOf(() => open(path, `${PASSPHRASE}!`))).toBe('wrong_passphrase');
    expect(faultOf(() => open(path, ''))).toBe('wrong_passphrase');
    expect(faultOf(() => open(path))).toBe('locked');
    const change_ = () => changeKeyFilePassphrase(path, { from: 'guess', to: 'mine', random: drawing('c') });
    expect(faultOf(change_)).toBe('wrong_passphrase');
    expect(readFileSync(path, 'utf8')).toBe(before);
  });

  test('tells a wrong passphrase even before it has a key', () => {
    const path = keyFile();
    changeKeyFilePassphrase(path, { to: PASSPHRASE, random: drawing('new') });
    expect(faultOf(() => open(path, 'other'))).toBe('wrong_passphrase');
    expect(open(path, PASSPHRASE).isLocked()).toBe(true);
  });

  test('never quotes passphrase or secret in an error', () => {
    const path = keyFile();
    const made = fill(open(path, PASSPHRASE));
    for (const run of [() => open(path, 'a wrong guess'), () => open(path)])
      try {
        run();
      } catch (error) {
        const text = String(error) + String((error as Error).stack);
        expect(text).not.toContain('a wrong guess');
        for (const [, , secret] of made) expect(text).not.toContain(secret);
      }
    expect.assertions(2 * (made.length + 1));
  });

  test('does not open after somebody moved, swapped, relabelled or slipped in an entry', () => {
    const path = keyFile();
    const made = new Map(fill(open(path, PASSPHRASE)).map(([kind, key]) => [kind, key]));
    const other = open(path, PASSPHRASE, 'more').create('transport');
    const good = readFileSync(path, 'utf8');
    const [cohort, did, transport] = [made.get('cohort')!, made.get('did')!, made.get('transport')!];
    const edits: ((shape: Shape) => void)[] = [
      // A cohort key under another name of its kind would sign whatever is asked of it.
      ({ keys }) => {
        keys[cohort]!.kind = 'did';
      },
      ({ keys }) => {
        keys[did]!.sealed = keys[cohort]!.sealed!;
      },
      ({ keys }) => {
        [keys[other]!.ncryptsec, keys[transport]!.ncryptsec] = [keys[transport]!.ncryptsec!, keys[other]!.ncryptsec!];
      },
      ({ keys }) => {
        keys[did] = { kind: 'did', created_at: 1, secret: '0'.repeat(63).concat('1') };
      },
      ({ keys }) => {
        keys[did]!.sealed = `${keys[did]!.sealed!.slice(0, -8)}AAAAAAAA`;
      },
      ({ keys }) => {
        keys[transport]!.ncryptsec = nip49.encrypt(new Uint8Array(32).fill(1), 'theirs');
      },
    ];
    const cipher = openCipher(shapeOf(path).lock, PASSPHRASE, drawing('check'));
    checkAll(parseKeyFile(good, path), cipher);
    for (const edit of edits) {
      const shape: Shape = JSON.parse(good);
      edit(shape);
      const check = () => checkAll(parseKeyFile(JSON.stringify(shape), path), cipher);
      expect(faultOf(check), edit.toString()).toBe('damaged');
    }
    change(path, edits[0]!);
    expect(faultOf(() => open(path, PASSPHRASE))).toBe('damaged');
  });

  test('asks neither for little work nor for all the memory there is', () => {
    const path = keyFile();
    fill(open(path, PASSPHRASE));
    for (const log_n of [1, 15, 21, 40]) {
      change(path, shape => {
        shape.lock.log_n = log_n;
      });
      expect(
        faultOf(() => open(path, PASSPHRASE)),
        String(log_n),
      ).toBe('format');
    }
  });
});

describe('a plain key file', () => {
  test('stays as it is without a passphrase', () => {
    const path = keyFile();
    const made = fill(open(path));
    const { version } = shapeOf(path);
    expect(version).toBe(1);
    expect(open(path).isLocked()).toBe(false);
    for (const [kind, key, secret] of made)
      expect(secretIn(open(path), key, kind === 'cohort' ? 'musig' : undefined)).toBe(secret);
  });

  test('is locked by the first passphrase that it is opened with', () => {
    const path = keyFile();
    const made = fill(open(path));
    open(path, PASSPHRASE, 'lock');
    const text = readFileSync(path, 'utf8');
    for (const [, , secret] of made) expect(text).not.toContain(secret);
    expect(faultOf(() => open(path))).toBe('locked');
    const [, key, secret] = made[0]!;
    expect(secretIn(open(path, PASSPHRASE), key)).toBe(secret);
  });

  test('is refused where others can read it, locked or not', () => {
    const path = keyFile();
    fill(open(path, PASSPHRASE));
    chmodSync(path, 0o640);
    expect(faultOf(() => open(path, PASSPHRASE))).toBe('open_mode');
  });

  test('is refused with a secret that is not that of its public key', () => {
    const path = keyFile();
    const [first, second] = fill(open(path)).map(([, key]) => key) as [string, string];
    change(path, ({ keys }) => {
      keys[first]!.secret = keys[second]!.secret!;
    });
    expect(faultOf(() => open(path))).toBe('damaged');
  });
});

test('a new passphrase replaces the old one, with another salt', () => {
  const path = keyFile();
  const made = fill(open(path, PASSPHRASE));
  const { salt } = shapeOf(path).lock;
  changeKeyFilePassphrase(path, { from: PASSPHRASE, to: 'next', random: drawing('second') });
  expect(shapeOf(path).lock.salt).not.toBe(salt);
  expect(faultOf(() => open(path, PASSPHRASE))).toBe('wrong_passphrase');
  const again = open(path, 'next');
  for (const [kind, key, secret] of made)
    expect(secretIn(again, key, kind === 'cohort' ? 'statement' : undefined)).toBe(secret);
});

describe('a lent secret', () => {
  test('is wiped afterwards, also when its use throws', () => {
    const keys = open(keyFile());
    const key = keys.create('did');
    const seen: Uint8Array[] = [];
    keys.lend(key, secret => seen.push(secret));
    expect(() =>
      keys.lend(key, secret => {
        seen.push(secret);
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(seen.map(toHex)).toEqual(['00'.repeat(32), '00'.repeat(32)]);
  });

  test('of a cohort is for MuSig2 and its statements alone, and no other key is for those', () => {
    const keys = open(keyFile());
    const cohort = keys.create('cohort');
    const message = new Uint8Array(32);
    const sign = (secret: Uint8Array) => curve.signSchnorr(message, secret, message);
    expect(() => keys.lend(cohort, sign)).toThrow(KeyUseRefused);
    expect(() => keys.lend(cohort.slice(2), sign)).toThrow(KeyUseRefused);
    for (const kind of ['did', 'transport', 'nonces', 'identity'] as const) {
      const key = keys.create(kind);
      for (const use of ['musig', 'statement'] as const) expect(() => keys.lend(key, sign, use)).toThrow(KeyUseRefused);
    }
    expect(keys.lend(cohort, sign, 'statement')).toHaveLength(64);
  });
});
