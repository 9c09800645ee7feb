import { base64 } from '@scure/base';
import { readSignalPsbt } from '../../../src/bitcoin/index.ts';
import type { ChainView } from '../../../src/cohort/index.ts';
import { fromBase64url, fromHex, toBase64url } from '../../../src/crypto/index.ts';
import type { Body, sessionId, Terms } from '../../../src/messages/index.ts';
import { leafValue, type SmtProof } from '../../../src/smt/index.ts';
import type { VetoCode } from '../../../src/wallet/core.ts';
import { type Controller, draw, drawHex, publicHex } from '../../cohort/members.ts';
import {
  answered,
  BLINDED,
  request as blindRequest,
  held as heldBlind,
  indexOf,
  submitted as submittedBlind,
} from './blinded-liar.ts';
import { psbtOf, type TxParts } from './forge.ts';
import { type Lied, lied, threeDids } from './given.ts';
import { type Liar, resealed } from './liar.ts';
import { openPsbt, type Pair, type PsbtMaps, writePsbt } from './psbt-maps.ts';
import { roundTrip } from './wallet.ts';

export type RequestBody = Body<'authorize_beacon_signal_request'>;

/** A cohort whose liar asks for a signature, and the request that its wallet would sign. */
export interface Stage extends Lied {
  name: string;
  good: RequestBody;
  /** Own DIDs that the request concerns, as evidence names them. */
  subjects: string[];
  /** Requests of other leaves, that are whole in themselves. */
  lies: { name: string; code: VetoCode; body: () => RequestBody }[];
}

/** `unreadable`: the schema refuses the envelope. Otherwise the code of the veto. */
export type Expected = VetoCode | 'unreadable';

export interface Mutant {
  /** What was changed; the same in every stage that has it. */
  kind: string;
  expected: Expected;
  body: RequestBody;
  /** What the wallet is shown of the chain; the truth if left out. */
  chain?: ChainView | null;
}

const LADDER: Partial<Terms> = { fee_ladder: { steps: 3, factor: 2, blocks: 3 }, fee_cap: 2_000 };
const FEES = [308, 616, 1_232];

/** The request over a ladder of fees, of the same outpoint and bytes. */
const laddered = (liar: Liar, parts: Parameters<Liar['request']>[0], fees = FEES): RequestBody =>
  resealed(liar, {
    ...liar.request(parts),
    pending_beacon_signal: fees.map(fee => liar.request({ ...parts, fee }).pending_beacon_signal[0]!),
  });

async function plain(type: 'SMTBeacon' | 'CASBeacon', ladder: boolean): Promise<Stage> {
  const given = await threeDids({ type, ...(ladder ? LADDER : {}) });
  const { liar, parts, one, two, draft, update } = given;
  const ask = (changes: object): RequestBody =>
    ladder ? laddered(liar, { ...parts, ...changes }) : liar.request({ ...parts, ...changes });
  const with_ = (updates: Record<string, string>) => () => ask({ updates });
  const never = drawHex('never submitted');
  return {
    ...given,
    name: `${type}${ladder ? ' with a ladder' : ''}`,
    good: ask({}),
    subjects: [one.did, two.did, draft.did],
    lies: [
      { name: 'an update that was never submitted', code: 'wrong_announcement', body: with_({ [one.did]: never }) },
      {
        name: 'an update of a DID that has none',
        code: 'wrong_announcement',
        body: with_({ ...parts.updates, [two.did]: never }),
      },
      {
        name: 'an update of a DID that is a draft',
        code: 'wrong_announcement',
        body: with_({ ...parts.updates, [draft.did]: never }),
      },
      {
        name: "one DID's update on another",
        code: 'wrong_announcement',
        body: with_({ [two.did]: update.announcement }),
      },
      ...(type === 'SMTBeacon'
        ? [
            {
              name: 'a registered DID that is no leaf',
              code: 'evidence_invalid' as const,
              body: () => ask({ leaves: [one.did] }),
            },
          ]
        : []),
    ],
  };
}

async function blind(): Promise<Stage> {
  const given = lied(BLINDED);
  const [one, two]: Controller[] = [heldBlind(given, 'one'), heldBlind(given, 'two')];
  await submittedBlind(given, one!, 'first');
  const old = answered(given, 'older');
  const leaves = answered(given, 'O1');
  const dids = [one!.did, two!.did];
  const ask = (label: string | undefined, of: Record<string, string>) => () => blindRequest(given, label, of, dids);
  const [a, b] = dids.map(indexOf) as [string, string];
  return {
    ...given,
    name: 'SMTBeacon, blinded',
    good: ask('O1', leaves)(),
    subjects: dids.map(indexOf),
    lies: [
      { name: 'no opportunity', code: 'evidence_invalid', body: ask(undefined, leaves) },
      { name: 'an opportunity that was never answered', code: 'evidence_invalid', body: ask('never', leaves) },
      { name: 'leaves of an older answer', code: 'evidence_invalid', body: ask('older', old) },
      { name: 'leaves of an older answer, called the newest', code: 'evidence_invalid', body: ask('O1', old) },
      {
        name: 'a leaf that was not answered',
        code: 'evidence_invalid',
        body: ask('O1', { ...leaves, [a]: drawHex('not his') }),
      },
      {
        name: 'two leaves in each other’s place',
        code: 'evidence_invalid',
        body: ask('O1', { [a]: leaves[b]!, [b]: leaves[a]! }),
      },
      { name: 'a leaf left out', code: 'evidence_invalid', body: ask('O1', { [a]: leaves[a]! }) },
    ],
  };
}

export const stages = async (): Promise<Stage[]> => [
  await plain('SMTBeacon', false),
  await plain('CASBeacon', false),
  await plain('SMTBeacon', true),
  await plain('CASBeacon', true),
  await blind(),
];

type Kind = [kind: string, expected: Expected, change: (body: RequestBody, stage: Stage) => RequestBody];

const other = drawHex('other');
const otherScript = `5120${drawHex('other key')}`;

/** Fields of the request, one at a time. */
const FIELDS: Kind[] = [
  ['session_id: any', 'wrong_session_id', body => ({ ...body, session_id: other })],
  ['beacon_address: another', 'wrong_address', body => ({ ...body, beacon_address: 'bcrt1qother0000000000' })],
  ['round: the next', 'wrong_session_id', body => ({ ...body, round: body.round + 1 })],
  ['attempt: the next', 'wrong_session_id', body => ({ ...body, attempt: body.attempt + 1 })],
  ['signal_bytes: any', 'transaction_not_ours', body => ({ ...body, signal_bytes: other })],
  ...(
    [
      ['cohort', () => ({ cohort: other })],
      ['round', body => ({ round: body.round + 1 })],
      ['attempt', body => ({ attempt: body.attempt + 1 })],
      ['outpoint', () => ({ outpoint: `${other}:0` })],
      ['transactions', () => ({ transactions: [other] })],
      ['key set', () => ({ participant_pubkeys: [publicHex(draw('stranger'))] })],
      ['signal bytes', () => ({ signal_bytes: other })],
    ] satisfies [string, (body: RequestBody) => Partial<Parameters<typeof sessionId>[0]>][]
  ).map(
    ([what, change]): Kind => [
      `session_id: of another ${what}`,
      'wrong_session_id',
      (body, { liar }) => resealed(liar, body, change(body)),
    ],
  ),
  ['signal_bytes: left out', 'unreadable', ({ signal_bytes: _, ...body }) => body as RequestBody],
  ['session_id: left out', 'unreadable', ({ session_id: _, ...body }) => body as RequestBody],
  ['evidence: left out', 'unreadable', ({ evidence: _, ...body }) => body as RequestBody],
  ['round: negative', 'unreadable', body => ({ ...body, round: -1 })],
  ['round: a fraction', 'unreadable', body => ({ ...body, round: 1.5 })],
  ['round: text', 'unreadable', body => ({ ...body, round: '1' as unknown as number })],
  ['session_id: in capitals', 'unreadable', body => ({ ...body, session_id: body.session_id.toUpperCase() })],
  ['signal_bytes: 31 bytes', 'unreadable', body => ({ ...body, signal_bytes: body.signal_bytes.slice(2) })],
  ['a field more', 'unreadable', body => ({ ...body, urgent: true }) as RequestBody],
  ['pending_beacon_signal: none', 'unreadable', body => ({ ...body, pending_beacon_signal: [] })],
  [
    'pending_beacon_signal: nine',
    'unreadable',
    body => ({ ...body, pending_beacon_signal: Array.from({ length: 9 }, () => body.pending_beacon_signal[0]!) }),
  ],
];

/** The ladder as a whole. The last transaction again is one too many under any terms. */
const LADDERS: Kind[] = [
  ['steps: one more', 'wrong_steps', body => withSteps(body, steps => [...steps, steps.at(-1)!])],
  [
    'steps: of another outpoint behind the first',
    'wrong_steps',
    (body, { liar, outpoint }) => {
      const odd = liar.request({ outpoint: { ...outpoint, vout: 1 } }).pending_beacon_signal[0]!;
      return withSteps(body, steps => [...steps, swapBytes(odd, body)]);
    },
  ],
];

/** Only where there are several. */
const STEPS: Kind[] = [
  ['steps: the first alone', 'wrong_steps', body => withSteps(body, ([first]) => [first!])],
  ['steps: one less', 'wrong_steps', body => withSteps(body, steps => steps.slice(0, -1))],
  ['steps: the other way round', 'wrong_steps', body => withSteps(body, steps => steps.toReversed())],
  ['steps: the first twice', 'wrong_steps', body => withSteps(body, ([first, , ...rest]) => [first!, first!, ...rest])],
  ['steps: a bad one in the middle', 'transaction_not_ours', body => withStep(body, 1, () => ({ locktime: 9 }))],
  ['steps: change to a stranger in the last', 'transaction_not_ours', body => withStep(body, 2, changeTo(otherScript))],
  ['steps: another value in the last', 'wrong_steps', body => withStep(body, 2, parts => worth(parts, 1))],
];

const withSteps = (body: RequestBody, change: (steps: string[]) => string[]): RequestBody => ({
  ...body,
  pending_beacon_signal: change(body.pending_beacon_signal),
});

type Change = (parts: TxParts) => Partial<TxParts>;

function partsOf(psbt: string): TxParts {
  const { version, locktime, sequence, prevout, prevoutScriptHex, outputs } = readSignalPsbt(psbt);
  return {
    version,
    locktime,
    inputs: [{ txid: prevout.txid, vout: prevout.vout, sequence }],
    outputs,
    spent: { script_hex: prevoutScriptHex, value_sats: prevout.value_sats },
  };
}

const changed = (psbt: string, change: Change): string => {
  const parts = partsOf(psbt);
  return psbtOf({ ...parts, ...change(parts) });
};

const withStep = (body: RequestBody, step: number, change: Change): RequestBody =>
  withSteps(body, steps => steps.map((psbt, i) => (i === step ? changed(psbt, change) : psbt)));

/** The same transaction, carrying the signal bytes of a request. */
const swapBytes = (psbt: string, { signal_bytes }: RequestBody): string =>
  changed(psbt, ({ outputs }) => ({ outputs: [outputs[0]!, { script_hex: `6a20${signal_bytes}`, value_sats: 0 }] }));

const changeTo =
  (script_hex: string): Change =>
  ({ outputs: [first, last] }) => ({ outputs: [{ ...first!, script_hex }, last!] });

/** Says that the output holds more, and pays the difference back: the fee stays as it was. */
const worth = ({ spent, outputs: [first, last] }: TxParts, more: number): Partial<TxParts> => ({
  spent: { ...spent, value_sats: spent.value_sats + more },
  outputs: [{ ...first!, value_sats: first!.value_sats + more }, last!],
});

const out = (script_hex: string, value_sats: number) => ({ script_hex, value_sats });
const push = (bytes: string) => out(`6a${(bytes.length / 2).toString(16).padStart(2, '0')}${bytes}`, 0);

/** Fields of the transaction, in every step at once; the session id is the one that it makes. */
const TRANSACTION: [string, Expected, Change][] = [
  ...[0, 1, 3, 0x7fffffff].map((version): [string, Expected, Change] => [
    `tx version ${version}`,
    'transaction_not_ours',
    () => ({ version }),
  ]),
  ...[1, 600, 0xffffffff].map((locktime): [string, Expected, Change] => [
    `tx lock time ${locktime}`,
    'transaction_not_ours',
    () => ({ locktime }),
  ]),
  ...[0, 6, 0xfffffffc, 0xfffffffe, 0xffffffff].map((sequence): [string, Expected, Change] => [
    `tx sequence ${sequence}`,
    'transaction_not_ours',
    ({ inputs }) => ({ inputs: [{ ...inputs[0]!, sequence }] }),
  ]),
  ['tx input: of no transaction', 'outpoint_unknown', ({ inputs }) => ({ inputs: [{ ...inputs[0]!, txid: other }] })],
  ['tx input: another output', 'outpoint_unknown', ({ inputs }) => ({ inputs: [{ ...inputs[0]!, vout: 1 }] })],
  ['tx value: one more', 'outpoint_value', parts => worth(parts, 1)],
  ['tx value: one less', 'outpoint_value', parts => worth(parts, -1)],
  ['tx spent script', 'wrong_output_script', ({ spent }) => ({ spent: { ...spent, script_hex: otherScript } })],
  ['tx change: to another', 'transaction_not_ours', changeTo(otherScript)],
  ['tx change: none', 'fee_over_cap', ({ outputs: [, last] }) => ({ outputs: [last!] })],
  [
    'tx change: fee over the cap',
    'fee_over_cap',
    ({ outputs: [first, last], spent }) => ({ outputs: [{ ...first!, value_sats: spent.value_sats - 2_001 }, last!] }),
  ],
  [
    'tx change: a friend takes a part',
    'transaction_not_ours',
    ({ outputs: [first, last] }) => ({
      outputs: [out(first!.script_hex, first!.value_sats - 1_000), out(otherScript, 1_000), last!],
    }),
  ],
  [
    'tx change: in two',
    'transaction_not_ours',
    ({ outputs: [first, last] }) => ({
      outputs: [out(first!.script_hex, 1_000), out(first!.script_hex, first!.value_sats - 1_000), last!],
    }),
  ],
  ['tx outputs: the other way round', 'transaction_not_ours', ({ outputs }) => ({ outputs: outputs.toReversed() })],
  [
    'tx outputs: an empty one first',
    'transaction_not_ours',
    ({ outputs }) => ({ outputs: [out('51', 0), ...outputs] }),
  ],
  ['tx outputs: an empty one last', 'transaction_not_ours', ({ outputs }) => ({ outputs: [...outputs, out('51', 0)] })],
  [
    'tx outputs: two signals',
    'transaction_not_ours',
    ({ outputs: [first, last] }) => ({ outputs: [first!, push(other), last!] }),
  ],
  ['tx outputs: no signal', 'transaction_not_ours', ({ outputs: [first] }) => ({ outputs: [first!] })],
  ['tx signal: other bytes', 'transaction_not_ours', ({ outputs: [first] }) => ({ outputs: [first!, push(other)] })],
  [
    'tx signal: a byte more',
    'transaction_not_ours',
    ({ outputs: [first, last] }) => ({ outputs: [first!, push(`${last!.script_hex.slice(4)}00`)] }),
  ],
  [
    'tx signal: a byte less',
    'transaction_not_ours',
    ({ outputs: [first, last] }) => ({ outputs: [first!, push(last!.script_hex.slice(6))] }),
  ],
  [
    'tx signal: OP_PUSHDATA1',
    'transaction_not_ours',
    ({ outputs: [first, last] }) => ({ outputs: [first!, out(`6a4c${last!.script_hex.slice(2)}`, 0)] }),
  ],
  [
    'tx signal: burns a satoshi',
    'transaction_not_ours',
    ({ outputs: [first, last] }) => ({
      outputs: [
        { ...first!, value_sats: first!.value_sats - 1 },
        { ...last!, value_sats: 1 },
      ],
    }),
  ],
];

const ANY = '00'.repeat(4);
const KEY = `02${drawHex('some key')}`;

/** Key-values that BIP-174, 370, 371 and 373 know, and some that nobody knows: a signal's PSBT has none of them. */
const GLOBAL: Pair[] = [
  [`01${'00'.repeat(78)}`, ANY],
  ['02', '02000000'],
  ['03', ANY],
  ['04', '01'],
  ['05', '02'],
  ['06', '00'],
  ['fb', '00000000'],
  ['fb', '02000000'],
  ['fc00', ANY],
  ['f0', ANY],
];
const INPUT: Pair[] = [
  ['00', ANY],
  [`02${KEY}`, `30${'00'.repeat(70)}`],
  ['03', '01000000'],
  ['03', '00000000'],
  ['03', '83000000'],
  ['04', '51'],
  ['05', '51'],
  [`06${KEY}`, ANY],
  ['07', '51'],
  ['08', `0140${'00'.repeat(64)}`],
  ['09', '61'],
  ['0e', drawHex('previous')],
  ['0f', ANY],
  ['10', 'ffffffff'],
  ['13', '00'.repeat(64)],
  [`14${drawHex('key')}${drawHex('leaf')}`, '00'.repeat(64)],
  [`15c0${drawHex('control')}`, '51c0'],
  [`16${drawHex('key')}`, `00${ANY}`],
  ['17', drawHex('internal')],
  ['18', drawHex('root')],
  [`1a${KEY}`, KEY],
  [`1b${KEY}${KEY}`, `${KEY}${KEY}`],
  [`1c${KEY}${KEY}`, drawHex('partial')],
  ['fc00', ANY],
  ['f0', ANY],
];
const OUTPUT: Pair[] = [
  ['00', '51'],
  ['01', '51'],
  [`02${KEY}`, ANY],
  ['03', '0000000000000000'],
  ['04', '51'],
  ['05', drawHex('internal')],
  ['06', '00c00151'],
  [`07${drawHex('key')}`, `00${ANY}`],
  [`08${KEY}`, KEY],
  ['fc00', ANY],
  ['f0', ANY],
];

type MapChange = (maps: PsbtMaps) => PsbtMaps;
const UNSIGNED = '00';
const WITNESS_UTXO = '01';
const onValue = (pairs: Pair[], of: string, change: (value: string) => string): Pair[] =>
  pairs.map(([key, value]) => [key, key === of ? change(value) : value]);

/** The PSBT around the transaction, key by key. All of it is `psbt_invalid`. */
const MAPS: [string, MapChange][] = [
  ...GLOBAL.map(([key, value], i): [string, MapChange] => [
    `psbt global ${key.slice(0, 2)} (${i})`,
    maps => ({ ...maps, global: [...maps.global, [key, value]] }),
  ]),
  ...INPUT.map(([key, value], i): [string, MapChange] => [
    `psbt input ${key.slice(0, 2)} (${i})`,
    maps => ({ ...maps, input: [...maps.input, [key, value]] }),
  ]),
  ...[0, 1].flatMap(output =>
    OUTPUT.map(([key, value], i): [string, MapChange] => [
      `psbt output ${output} ${key.slice(0, 2)} (${i})`,
      maps => ({
        ...maps,
        outputs: maps.outputs.map((pairs, at): Pair[] => (at === output ? [...pairs, [key, value]] : pairs)),
      }),
    ]),
  ),
  ['psbt magic', maps => ({ ...maps, magic: '70736274fe' })],
  ['psbt: no unsigned transaction', maps => ({ ...maps, global: [] })],
  ['psbt: two unsigned transactions', maps => ({ ...maps, global: [...maps.global, ...maps.global] })],
  ['psbt: no witnessUtxo', maps => ({ ...maps, input: [] })],
  ['psbt: two witnessUtxos', maps => ({ ...maps, input: [...maps.input, ...maps.input] })],
  [
    'psbt: witnessUtxo with a byte more',
    maps => ({ ...maps, input: onValue(maps.input, WITNESS_UTXO, value => `${value}00`) }),
  ],
  [
    'psbt: witnessUtxo with a byte less',
    maps => ({ ...maps, input: onValue(maps.input, WITNESS_UTXO, value => value.slice(0, -2)) }),
  ],
  [
    'psbt: witnessUtxo of more money than there is',
    maps => ({ ...maps, input: onValue(maps.input, WITNESS_UTXO, value => `ffffffffffffff7f${value.slice(16)}`) }),
  ],
  [
    'psbt: a witness in the unsigned transaction',
    maps => ({
      ...maps,
      global: onValue(maps.global, UNSIGNED, tx => `${tx.slice(0, 8)}0001${tx.slice(8, -8)}0100${tx.slice(-8)}`),
    }),
  ],
  [
    'psbt: a scriptSig in the unsigned transaction',
    maps => ({ ...maps, global: onValue(maps.global, UNSIGNED, tx => `${tx.slice(0, 82)}0151${tx.slice(84)}`) }),
  ],
  [
    'psbt: the unsigned transaction cut',
    maps => ({ ...maps, global: onValue(maps.global, UNSIGNED, tx => tx.slice(0, -2)) }),
  ],
  [
    'psbt: the unsigned transaction with a tail',
    maps => ({ ...maps, global: onValue(maps.global, UNSIGNED, tx => `${tx}00`) }),
  ],
  ['psbt: an input map more', maps => ({ ...maps, outputs: [maps.input, ...maps.outputs] })],
  ['psbt: an output map less', maps => ({ ...maps, outputs: maps.outputs.slice(1) })],
  ['psbt: an output map more', maps => ({ ...maps, outputs: [...maps.outputs, []] })],
  ['psbt: a byte behind it', maps => ({ ...maps, tail: '00' })],
  ['psbt: much behind it', maps => ({ ...maps, tail: 'ff'.repeat(40) })],
];

/** And as a whole. */
const RAW: [string, (psbt: string) => string][] = [
  ['psbt: twice', psbt => base64.encode(Uint8Array.from([...base64.decode(psbt), ...base64.decode(psbt)]))],
  ...[8, 40, 100, 150].map((length): [string, (psbt: string) => string] => [
    `psbt: its first ${length} bytes`,
    psbt => base64.encode(base64.decode(psbt).slice(0, length)),
  ]),
  ['psbt: without end', () => 'AAAA'.repeat(2_000)],
  ['psbt: nothing in it', () => 'AAAAAAAA'],
];

const onMaps = ([kind, change]: (typeof MAPS)[number]): (typeof RAW)[number] => [
  kind,
  psbt => writePsbt(change(openPsbt(psbt))),
];

/** Fields of one proof. */
const PROOF: [string, (proof: SmtProof) => Partial<SmtProof> | null][] = [
  ['id', () => ({ id: toBase64url(fromHex(other)) })],
  ['nonce changed', ({ nonce }) => (nonce === undefined ? null : { nonce: toBase64url(fromHex(other)) })],
  ['nonce left out', ({ nonce }) => (nonce === undefined ? null : { nonce: undefined })],
  ['nonce made up', ({ nonce }) => (nonce === undefined ? { nonce: toBase64url(fromHex(other)) } : null)],
  ['updateId changed', ({ updateId }) => (updateId === undefined ? null : { updateId: toBase64url(fromHex(other)) })],
  ['updateId left out', ({ updateId }) => (updateId === undefined ? null : { updateId: undefined })],
  ['updateId made up', ({ updateId }) => (updateId === undefined ? { updateId: toBase64url(fromHex(other)) } : null)],
  ['collapsed changed', () => ({ collapsed: toBase64url(fromHex(other)) })],
  ['collapsed: one bit', ({ collapsed }) => ({ collapsed: flipped(collapsed) })],
  ['hashes: one less', ({ hashes }) => ({ hashes: hashes.slice(1) })],
  ['hashes: one more', ({ hashes }) => ({ hashes: [...hashes, toBase64url(fromHex(other))] })],
  ['hashes: none', () => ({ hashes: [] })],
  ['hashes: the first changed', ({ hashes }) => ({ hashes: [toBase64url(fromHex(other)), ...hashes.slice(1)] })],
  ['hashes: one bit of the last', ({ hashes }) => ({ hashes: [...hashes.slice(0, -1), flipped(hashes.at(-1)!)] })],
  ['hashes: the other way round', ({ hashes }) => (hashes.length < 2 ? null : { hashes: hashes.toReversed() })],
];

function flipped(text: string): string {
  const bytes = fromBase64url(text, 32);
  bytes[31]! ^= 1;
  return toBase64url(bytes);
}

/** Each proof's each field; and what a leaf without nonce can be dressed up as. */
function proofMutants({ good, subjects, name }: Stage): Mutant[] {
  if (!('proofs' in good.evidence)) return [];
  const { proofs } = good.evidence;
  const isBlind = name.includes('blinded');
  const with_ = (subject: string, proof: SmtProof | undefined): RequestBody =>
    roundTrip({ ...good, evidence: { proofs: { ...proofs, [subject]: proof } } }) as RequestBody;
  const mutants: Mutant[] = [];
  for (const [i, subject] of subjects.entries()) {
    const proof = proofs[subject]!;
    for (const [kind, change] of PROOF) {
      // The wallet of a blinded cohort puts nonce and announcement in itself: what the aggregator says of them is moot.
      if (isBlind && /nonce|updateId/.test(kind)) continue;
      const changed_ = change(proof);
      if (changed_ === null) continue;
      mutants.push({
        kind: `proof ${i}: ${kind}`,
        expected: 'evidence_invalid',
        body: with_(subject, { ...proof, ...changed_ }),
      });
    }
    const [next] = subjects.filter(each => each !== subject);
    mutants.push({
      kind: `proof ${i}: another DID's`,
      expected: 'evidence_invalid',
      body: with_(subject, proofs[next!]),
    });
    if (proof.updateId === undefined && !isBlind) {
      const { nonce, ...bare } = proof;
      const leaf = leafValue(nonce === undefined ? {} : { nonce: fromBase64url(nonce) });
      const dressed = { ...bare, updateId: toBase64url(leaf) };
      mutants.push({
        kind: `proof ${i}: its leaf as an announcement`,
        expected: 'wrong_announcement',
        body: with_(subject, dressed),
      });
    }
  }
  const bad = (kind: string, evidence: unknown): Mutant => ({
    kind: `proofs: ${kind}`,
    expected: 'unreadable',
    body: { ...good, evidence } as RequestBody,
  });
  return [
    ...mutants,
    {
      kind: 'proofs: a map instead',
      expected: 'evidence_invalid',
      body: { ...good, evidence: { map: { 'did:btcr2:any': toBase64url(fromHex(other)) } } },
    },
    bad('of a subject that is no DID', { proofs: { ...proofs, 'no DID': proofs[subjects[0]!] } }),
    bad('a field more', { proofs: { ...proofs, [subjects[0]!]: { ...proofs[subjects[0]!], hint: 1 } } }),
    bad('257 hashes', {
      proofs: {
        ...proofs,
        [subjects[0]!]: { ...proofs[subjects[0]!], hashes: Array(257).fill(toBase64url(fromHex(other))) },
      },
    }),
    bad('both kinds', { proofs, map: {} }),
  ];
}

/** Entries of the announcement map. */
function mapMutants({ good, subjects: [one, two, draft] }: Stage): Mutant[] {
  if (!('map' in good.evidence)) return [];
  const { map } = good.evidence;
  const value = toBase64url(fromHex(other));
  const [theirs] = Object.keys(map).filter(did => did !== one);
  const { [one!]: own, ...without } = map;
  const { [theirs!]: their, ...alone } = map;
  const kinds: [string, Record<string, string>][] = [
    ['nothing in it', {}],
    ['the own entry left out', without],
    ['the own entry changed', { ...map, [one!]: value }],
    ['the own entry, one bit', { ...map, [one!]: flipped(own!) }],
    ["another's entry left out", alone],
    ["another's entry changed", { ...map, [theirs!]: value }],
    ['the two exchanged', { ...map, [one!]: their!, [theirs!]: own! }],
    ['an entry for a DID that has no update', { ...map, [two!]: value }],
    ['an entry for a draft', { ...map, [draft!]: value }],
    ['an entry of a stranger', { ...map, 'did:btcr2:stranger': value }],
    ['the own entry under another name', { ...without, [`${one}x`]: own! }],
  ];
  const proofs = { [one!]: { id: value, collapsed: value, hashes: [] } };
  return [
    ...kinds.map(
      ([kind, changed_]): Mutant => ({
        kind: `map: ${kind}`,
        expected: 'evidence_invalid',
        body: { ...good, evidence: { map: changed_ } },
      }),
    ),
    { kind: 'map: proofs instead', expected: 'evidence_invalid', body: { ...good, evidence: { proofs } } },
    {
      kind: 'map: a short value',
      expected: 'unreadable',
      body: { ...good, evidence: { map: { ...map, [one!]: 'AAAA' } } },
    },
    {
      kind: 'map: a padded value',
      expected: 'unreadable',
      body: { ...good, evidence: { map: { ...map, [one!]: `${own}=` } } },
    },
    {
      kind: 'map: a name that is no DID',
      expected: 'unreadable',
      body: { ...good, evidence: { map: { ...map, '': value } } },
    },
  ];
}

/** What the chain does not bear out. */
function chainMutants({ good, world, liar }: Stage): Mutant[] {
  const truth = world.chain.view(liar.script);
  const utxo = (change: Partial<ChainView['utxos'][number]>): ChainView => ({
    ...truth,
    utxos: truth.utxos.map(each => ({ ...each, ...change })),
  });
  const deep = (confirmations: number): number => truth.tip.height - confirmations + 1;
  const kinds: [string, VetoCode, ChainView | null][] = [
    ['not to be seen', 'no_chain_view', null],
    ['no output', 'outpoint_unknown', { ...truth, utxos: [] }],
    ['the output of another transaction', 'outpoint_unknown', utxo({ txid: other })],
    ['another output of it', 'outpoint_unknown', utxo({ vout: 7 })],
    ['a satoshi less', 'outpoint_value', utxo({ value_sats: truth.utxos[0]!.value_sats - 1 })],
    ['unconfirmed', 'outpoint_shallow', utxo({ height: null })],
    ['one confirmation', 'outpoint_shallow', utxo({ height: deep(1) })],
    ['five confirmations', 'outpoint_shallow', utxo({ height: deep(5) })],
    ['a block of the future', 'outpoint_shallow', utxo({ height: truth.tip.height + 1 })],
    ['a coinbase of a hundred', 'outpoint_shallow', utxo({ coinbase: true, height: deep(100) })],
  ];
  return kinds.map(([kind, expected, chain]) => ({ kind: `chain: ${kind}`, expected, body: good, chain }));
}

/** Every mutant of a stage's request; each differs from it, or from the truth about the chain, in one thing. */
export function mutantsOf(stage: Stage): Mutant[] {
  const { good, liar } = stage;
  const isLadder = good.pending_beacon_signal.length > 1;
  const everyStep = (change: Change): RequestBody => withSteps(good, steps => steps.map(psbt => changed(psbt, change)));
  return [
    ...[...FIELDS, ...LADDERS, ...(isLadder ? STEPS : [])].map(
      ([kind, expected, change]): Mutant => ({ kind, expected, body: change(good, stage) }),
    ),
    ...TRANSACTION.map(
      ([kind, expected, change]): Mutant => ({ kind, expected, body: resealed(liar, everyStep(change)) }),
    ),
    // In the last step alone: one bad PSBT spoils them all.
    ...[...RAW, ...MAPS.map(onMaps)].map(([kind, change]): Mutant => {
      const body = withSteps(good, steps => [...steps.slice(0, -1), change(steps.at(-1)!)]);
      return { kind, expected: 'psbt_invalid', body };
    }),
    ...proofMutants(stage),
    ...mapMutants(stage),
    ...chainMutants(stage),
    ...stage.lies.map(({ name, code, body }): Mutant => ({ kind: `lie: ${name}`, expected: code, body: body() })),
  ];
}
