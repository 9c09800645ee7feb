import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { ConfigError, loadConfig } from '../../src/config.ts';
import { BASE, type Folder, makeFolder, SECRET_KEY } from './folder.ts';

let folder: Folder;
afterEach(() => folder?.remove());

const bitcoind = (rest: string): string =>
  `network = "regtest"\n[chain]\nbackend = "bitcoind"\nurl = "http://127.0.0.1:18443"\n${rest}`;

// fault 51
describe('what is wrong is told by its key, with what is allowed', () => {
  const cases: [name: string, toml: string, expected: RegExp][] = [
    [
      'no network',
      BASE.replace(/network.*\n/, ''),
      /^network: has to be one of "bitcoin", "signet".* \(it is missing\)$/,
    ],
    ['unknown network', BASE.replace('regtest', 'regtset'), /^network: has to be one of .*"mutinynet"/],
    [
      'mainnet without the opt-in',
      BASE.replace('regtest', 'bitcoin'),
      /^mainnet: has to be true for network = "bitcoin"/,
    ],
    ['the opt-in without mainnet', `mainnet = true\n${BASE}`, /^mainnet: has to be false/],
    [
      'unknown key',
      `${BASE}[log]\nlevle = "info"\n`,
      /^log\.levle: unknown key; did you mean level\? \(known here: level, format\)$/,
    ],
    ['unknown section', `${BASE}[advrt]\nfee_cap = 1\n`, /^advrt: unknown key; did you mean advert\?/],
    ['a key called __proto__', `${BASE}[log.__proto__]\nlevel = "info"\n`, /^log\.__proto__: unknown key/],
    [
      'wrong type',
      `${BASE}[advert.frequency]\ninterval = "1 day"\n`,
      /^advert\.frequency\.interval: has to be a whole number of seconds from 0 to 315,360,000, not another text$/,
    ],
    [
      'fraction',
      `${BASE}[advert]\nfee_cap = 1000.5\n`,
      /^advert\.fee_cap: has to be a whole number of satoshis from 200 to 1,000,000, not 1000\.5$/,
    ],
    ['a date', `${BASE}[advert]\nfee_cap = 1979-05-27\n`, /^advert\.fee_cap: .*, not a date$/],
    [
      'fee cap under the relay fee of a signal',
      `${BASE}[advert]\nfee_cap = 153\n`,
      /^advert\.fee_cap: .* from 200 .*, not 153$/,
    ],
    ['a section that is no table', `advert = 3\n${BASE}`, /^advert: has to be a table/],
    ['no backend', 'network = "regtest"\n', /^chain\.backend: has to be "bitcoind" or "esplora" \(it is missing\)$/],
    ['unknown backend', BASE.replace('esplora', 'electrum'), /^chain\.backend: has to be "bitcoind" or "esplora"/],
    [
      'a key of the other backend',
      `${BASE}wallet = "w"\n`,
      /^chain\.wallet: does not go with backend = "esplora" \(known there: backend, url, poll_ms\)$/,
    ],
    [
      'an address that is no http',
      BASE.replace('http:', 'ftp:'),
      /^chain\.url: has to be an http:\/\/ or https:\/\/ URL/,
    ],
    [
      'min_interval over interval',
      `${BASE}[advert.frequency]\ninterval = 60\nmin_interval = 61\n`,
      /^advert\.frequency\.min_interval: has to be at most advert\.frequency\.interval, which is 60, not 61$/,
    ],
    [
      'min_interval over the default interval',
      `${BASE}[advert.frequency]\nmin_interval = 86400\n`,
      /^advert\.frequency\.min_interval: has to be at most/,
    ],
    [
      'fewest members over most',
      `${BASE}[advert.cohort_size]\nmin = 5\nmax = 4\n`,
      /^advert\.cohort_size\.min: has to be at most advert\.cohort_size\.max, which is 4/,
    ],
    ['fewest DIDs over most', `${BASE}[advert.dids]\nmin = 5\nmax = 4\n`, /^advert\.dids\.min: has to be at most/],
    ['one member', `${BASE}[advert.cohort_size]\nmin = 1\n`, /^advert\.cohort_size\.min: .* from 2 to 1,000, not 1$/],
    [
      'a deadline between two looks at the chain',
      `${BASE}poll_ms = 90000\n[advert.latency]\nnonce = 89\npresence = 90\nsignature = 90\n`,
      /^advert\.latency\.nonce: has to be at least the 90 s of chain\.poll_ms/,
    ],
    [
      'another beacon',
      `${BASE}[advert]\ntype = "SMTAggregatorBeacon"\n`,
      /^advert\.type: has to be one of "SMTBeacon"/,
    ],
    ['another flow', `${BASE}[advert]\nflow = "both"\n`, /^advert\.flow: has to be one of "push", "pull"/],
    [
      'a blinded map',
      `${BASE}[advert]\ntype = "CASBeacon"\nflow = "pull"\nprivacy = "blinded"\n`,
      /^advert\.privacy: has to be "none" for advert\.type = "CASBeacon"/,
    ],
    [
      'a blinded tree that nobody is asked about',
      `${BASE}[advert]\nprivacy = "blinded"\n`,
      /^advert\.privacy: has to be "none" for advert\.flow = "push"/,
    ],
    [
      'a price for what nobody can count',
      `${BASE}[advert]\nflow = "pull"\nprivacy = "blinded"\n[advert.financials]\nper_announcement = 5\n`,
      /^advert\.financials\.per_announcement: has to be 0 for advert\.privacy = "blinded"/,
    ],
    [
      'a bit order for a map',
      `${BASE}[advert]\ntype = "CASBeacon"\nbit_order = "lsb"\n`,
      /^advert\.bit_order: has to be "spec" for advert\.type = "CASBeacon"/,
    ],
    [
      'a policy of nobody',
      `${BASE}[advert.policy]\ntype = "anybody"\n`,
      /^advert\.policy\.type: has to be "keypath" or "fallback"/,
    ],
    [
      'a fallback policy without its key',
      `${BASE}[advert.policy]\ntype = "fallback"\nrecovery_delay_blocks = 1008\n`,
      /^advert\.policy\.recovery_key: has to be text/,
    ],
    [
      'a fallback policy for two',
      `${BASE}[advert]\ncohort_size = { min = 2, max = 5 }\npolicy = { type = "fallback", recovery_key = "${'11'.repeat(32)}", recovery_delay_blocks = 1008 }\n`,
      /^advert\.cohort_size\.min: a fallback needs 3 members at least/,
    ],
    [
      'a fallback whose recovery could cut a round off',
      `${BASE}[advert]\ncohort_size = { min = 3, max = 5 }\nlatency = { presence = 60, nonce = 60, signature = 43200 }\npolicy = { type = "fallback", recovery_key = "${'11'.repeat(32)}", recovery_delay_blocks = 144 }\n`,
      /^advert\.policy\.recovery_delay_blocks: the recovery delay has to be longer than the longest round/,
    ],
    [
      'a scheme that is none',
      `${BASE}[advert]\ncommunication = ["nip44"]\n`,
      /^advert\.communication\[0\]: has to be one of "nip44_v2", "nip04", "nip59"/,
    ],
    ['no scheme', `${BASE}[advert]\ncommunication = []\n`, /^advert\.communication/],
    [
      'a scheme twice',
      `${BASE}[advert]\ncommunication = ["nip04", "nip04"]\n`,
      /^advert\.communication: has to name each scheme once/,
    ],
    ['nobody on the list', `${BASE}[advert]\nadmission = "allowlist"\n`, /^admission\.allowlist: is empty/],
    ['no invites', `${BASE}[advert]\nadmission = "invite"\n`, /^admission\.invites: is empty/],
    [
      'a key that is none',
      `${BASE}[admission]\nallowlist = ["npub1xyz"]\n`,
      /^admission\.allowlist\[0\]: an x-only key is 32 bytes/,
    ],
    [
      'control characters in the profile',
      `${BASE}[profile]\nname = "a\\u001b[31m"\n`,
      /^profile\.name: text without control characters$/,
    ],
    ['no login', bitcoind(''), /^chain\.cookie_file: is missing: bitcoind needs/],
    ['two logins', bitcoind('cookie_file = "c"\nuser = "u"\n'), /^chain\.cookie_file: has to stand alone/],
    ['user without password', bitcoind('user = "u"\n'), /^chain\.password: is missing/],
    ['password without user', bitcoind('password = "p"\n'), /^chain\.user: is missing/],
    [
      'password twice',
      bitcoind('user = "u"\npassword = "p"\npassword_file = "f"\n'),
      /^chain\.password: has to stand alone/,
    ],
    [
      'relays twice',
      `relays = ["ws://127.0.0.1:1"]\nrelays_file = "relays.json"\n${BASE}`,
      /^relays: has to stand alone/,
    ],
    ['no relays', `relays = []\n${BASE}`, /^relays: has to name at least one relay/],
    [
      'a state folder too deep for a socket',
      `state_dir = "${'d'.repeat(90)}"\n${BASE}`,
      /^state_dir: has to be at most 90 bytes long/,
    ],
    ['no TOML', 'network = regtest', /btcr2-aggregator\.toml:1:\d+: not TOML: /],
  ];

  test.each(cases)('%s', (_, toml, expected) => {
    folder = makeFolder(toml);
    const problems = folder.problems();
    expect(
      problems.some(problem => expected.test(problem)),
      problems.join('\n'),
    ).toBe(true);
    expect(existsSync(folder.path('state'))).toBe(false);
  });

  test('the layout of the seed, on mainnet', () => {
    folder = makeFolder(`mainnet = true\n${BASE.replace('regtest', 'bitcoin')}[advert]\nsignal_output = "first"\n`);
    expect(folder.problems()).toEqual([expect.stringMatching(/^advert\.signal_output: has to be "last" on mainnet/)]);
  });

  // fault 52
  test('all problems are told at once', () => {
    folder = makeFolder(
      `typo = 1\n${BASE}poll_ms = "x"\n[advert]\nfee_cap = 1\nflow = "both"\n[advert.frequency]\ninterval = 1\nmin_interval = 2\n`,
    );
    folder.write('relays.json', '["http://a"]');
    chmodSync(folder.path('identity.key'), 0o644);
    const keys = folder.problems().map(problem => problem.split(': ')[0]);
    expect(keys.sort()).toEqual(
      [
        'typo',
        'chain.poll_ms',
        'advert.fee_cap',
        'advert.flow',
        'advert.frequency.min_interval',
        `${folder.path('relays.json')}[0]`,
        'identity.key_file',
      ].sort(),
    );
  });

  test('a file that is named has to be there', () => {
    folder = makeFolder();
    expect(folder.problems({ flags: { config: 'other.toml' } })).toEqual([
      `${folder.path('other.toml')}: there is no such file; \`btcr2-aggregator init\` writes one`,
    ]);
  });

  test('without any file the error says where one was looked for', () => {
    folder = makeFolder();
    const cwd = folder.path('home');
    const load = () => loadConfig({ env: {}, cwd, home: cwd });
    expect(load).toThrow(ConfigError);
    expect(load).toThrow(/no configuration file \(looked for .*btcr2-aggregator\.toml and .*config\.toml/);
  });
});

// fault 53
describe('relays', () => {
  const files: [name: string, text: string, expected: RegExp][] = [
    ['empty list', '{"relays": []}', /relays\.json: has to name at least one relay.*by_hand = true/],
    ['http', '{"relays": ["https://relay.example"]}', /relays\.json\[0\]: has to be a ws:\/\/ or wss:\/\/ address/],
    ['no text', '[1]', /relays\.json\[0\]: has to be a ws/],
    ['a login in the address', '["wss://me:hunter2@relay.example"]', /\[0\]: .* without user and password$/],
    ['no JSON', 'ws://127.0.0.1', /^relays_file: .*relays\.json has to be JSON like/],
    ['something else', '{"relays": ["ws://127.0.0.1"], "more": 1}', /^relays_file: .* has to be JSON like/],
    ['nested deeply', '['.repeat(100_000), /^relays_file: .* has to be JSON like/],
  ];
  test.each(files)('%s', (_, text, expected) => {
    folder = makeFolder();
    folder.write('relays.json', text);
    expect(folder.problems()).toEqual([expect.stringMatching(expected)]);
  });

  test.each([
    ['an empty list', '{"relays": []}', BASE],
    ['an empty setting', '[]', `relays = []\n${BASE}`],
    ['no file', null, `relays_file = "none.json"\n${BASE}`],
  ])('%s is no fault where messages are carried by hand', (_, text, toml) => {
    folder = makeFolder(`by_hand = true\n${toml}`);
    if (text !== null) folder.write('relays.json', text);
    expect(folder.load().relays).toEqual([]);
    folder = makeFolder(`by_hand = false\n${toml}`);
    if (text !== null) folder.write('relays.json', text);
    expect(folder.problems()).toHaveLength(1);
  });
  test('by hand a relay that is named is used, and a wrong one is refused', () => {
    folder = makeFolder(`by_hand = true\n${BASE}`);
    expect(folder.load().relays).toEqual(['ws://127.0.0.1:7777']);
    folder.write('relays.json', '["http://a"]');
    expect(folder.problems()).toEqual([expect.stringMatching(/relays\.json\[0\]: has to be a ws/)]);
    folder = makeFolder(`by_hand = "yes"\n${BASE}`);
    expect(folder.problems()).toEqual([expect.stringMatching(/^by_hand: /)]);
  });

  test('a missing file', () => {
    folder = makeFolder(`relays_file = "none.json"\n${BASE}`);
    expect(folder.problems()).toEqual([expect.stringMatching(/^relays_file: there is no .*none\.json\. Write /)]);
  });
});

describe('keys and secrets', () => {
  // fault 54
  test.each([0o644, 0o640, 0o604, 0o620])('an identity key of mode %o is refused with the command that helps', mode => {
    folder = makeFolder();
    chmodSync(folder.path('identity.key'), mode);
    const [problem, ...rest] = folder.problems();
    expect(rest).toEqual([]);
    expect(problem).toContain(`Run: chmod 600 ${folder.path('identity.key')}`);
    expect(problem).toMatch(/^identity\.key_file: /);
  });

  // fault 54
  test('a missing identity key is refused with the command that makes one', () => {
    folder = makeFolder('[identity]\nkey_file = "it\'s here.key"\n'.replace(/^/, `${BASE}`));
    expect(folder.problems()).toEqual([
      expect.stringMatching(/^identity\.key_file: there is no .*openssl rand -hex 32 > '.*it'\\''s here\.key'\)$/),
    ]);
  });

  const NOT_KEYS: [string, string][] = [
    ['nothing', ''],
    ['zero', '0'.repeat(64)],
    ['the order of the group', 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141'],
    ['too short', 'ab'.repeat(31)],
    ['a public key', 'npub1zdr43myw9aax7lzmv5grvr47lfcwydjkw6mnl5z3r02e68ulc93seysldr'],
    ['an nsec with a typo', 'nsec1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqxxxxxx'],
  ];
  test.each(NOT_KEYS)('an identity key that is %s is refused, and not quoted', (_, text) => {
    folder = makeFolder();
    folder.write('identity.key', text);
    const problems = folder.problems();
    expect(problems).toEqual([
      expect.stringMatching(/^identity\.key_file: .* has to hold one secret key: 64 lowercase hex digits, or an nsec$/),
    ]);
  });

  test('no message quotes a password, an invite or a key, wherever it stands', () => {
    const toml = `typo = "hunter2"\n${bitcoind('user = "u"\npassword = "hunter2"\ncookie_file = "c"\npoll_ms = "hunter2"\n')}`;
    folder = makeFolder(`${toml}[admission]\ninvites = ["hunter2\\u0007"]\n[log]\nlevel = "hunter2"\n`);
    folder.write('identity.key', `${SECRET_KEY}hunter2`);
    folder.write('relays.json', '["wss://u:hunter2@relay.example", "hunter2"]');
    const text = folder.problems().join('\n');
    expect(text).toMatch(/admission\.invites\[0\]/);
    expect(text).toMatch(/log\.level/);
    expect(text).not.toContain('hunter2');
    expect(text).not.toContain(SECRET_KEY);
  });

  test('a password on a line that is no TOML is not quoted', () => {
    folder = makeFolder(bitcoind('password = hunter2 # my password\n'));
    const text = folder.problems().join('\n');
    expect(text).toMatch(/not TOML/);
    expect(text).not.toContain('hunter2');
  });

  test('a password in a URL is refused and not quoted', () => {
    folder = makeFolder(BASE.replace('127.0.0.1', 'me:hunter2@127.0.0.1'));
    expect(folder.problems()).toEqual(['chain.url: has to be an http:// or https:// URL without user and password']);
  });

  test("a configuration file with a secret in it has to be its owner's alone", () => {
    folder = makeFolder(bitcoind('user = "u"\npassword = "p"\n'));
    expect(folder.problems()).toEqual([]);
    const file = folder.path('btcr2-aggregator.toml');
    chmodSync(file, 0o644);
    expect(folder.problems()).toEqual([expect.stringContaining(`Run: chmod 600 ${file}`)]);
  });

  test('a password file that others can read is refused', () => {
    folder = makeFolder(bitcoind('user = "u"\npassword_file = "pass"\n'));
    folder.write('pass', 'hunter2\n', 0o644);
    expect(folder.problems()).toEqual([expect.stringMatching(/^chain\.password_file: .* Run: chmod 600 /)]);
  });

  test('a state folder that others can write into is refused', () => {
    folder = makeFolder();
    mkdirSync(folder.path('state'));
    chmodSync(folder.path('state'), 0o777);
    expect(folder.problems()).toEqual([expect.stringMatching(/^state_dir: .* Run: chmod 700 /)]);
  });

  test('a state folder that is a file is refused', () => {
    folder = makeFolder();
    folder.write('state', '');
    expect(folder.problems()).toEqual([expect.stringMatching(/^state_dir: /)]);
  });
});
