import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';

/** The example is plain JavaScript: these are the shapes that the tests touch. */
type Json = Record<string, unknown>;
interface Envelope {
  id: string;
  type: string;
  session?: string;
  body: Json;
}
interface Event {
  id: string;
  content: string;
  tags: string[][];
  created_at: number;
}
interface Use {
  txid: string;
  height: number;
  time: number;
  signal: string | null;
  outpoints: string[];
}
interface Output {
  confirmations: number;
  coinbase: boolean;
  script: string;
  value: number;
}
interface State {
  phase: string;
  outbox: { envelope: Envelope; open: boolean }[];
  dids: { did: string; pending: Json | null; updates: Json[]; evidence: Json }[];
  sessions: Record<string, { phase: string }>;
}
interface Member {
  work(): Promise<void>;
  take(events: Event[], stored: boolean): Promise<void>;
}
interface Advert {
  terms: Json & { frequency: Json; privacy: string };
}
interface Beacon {
  script: string;
}
interface Outpoint {
  txid: string;
  vout: number;
  value: number;
}
interface Signal {
  unsigned: string;
  txid: string;
  psbt: string;
}

const here = (path: string) => new URL(`../../examples/stranger/${path}`, import.meta.url).href;
const { member } = (await import(here('member.js'))) as { member: (options: object) => Member };
const { readAdvert } = (await import(here('advert.js'))) as { readAdvert: (e: Event, now: number) => Advert | string };
const { sealEnvelope, wrap } = (await import(here('envelope.js'))) as {
  sealEnvelope: (fields: object, secret: string) => Envelope;
  wrap: (envelope: Envelope, secret: string, now: number) => Event;
};
const { beaconOf, ChainError, signalTransaction } = (await import(here('bitcoin.js'))) as {
  beaconOf: (keys: string[], network: string) => Beacon;
  ChainError: new (text: string) => Error;
  signalTransaction: (beacon: Beacon, outpoint: Outpoint, fee: number, signal: string) => Signal;
};
const { hex, statement } = (await import(here('bytes.js'))) as {
  hex: (bytes: Uint8Array) => string;
  statement: (name: string, content: object) => Uint8Array;
};

interface Vectors {
  keys: { aggregator_transport: string; members: { ada: { cohort_key: string; transport_key: string } } };
  controllers: { one: { did: string; secret: string } };
  advert: Event;
  cohort: { participant_pubkeys: string[]; beacon_address: string };
  update: Json;
  announcement: string;
  tree: { signal_bytes: string };
  session: { session_id_preimage: Json; prevout: { txid: string }; final_transaction: string; txid: string };
  messages: { envelope: Envelope & { from: string; to: string } }[];
}
const vectors = JSON.parse(
  readFileSync(new URL('./../vectors/protocol/push-smt.json', import.meta.url), 'utf8'),
) as Vectors;
const ada = vectors.keys.members.ada;
const toAda = (type: string) => {
  const opted = vectors.messages[0]!.envelope;
  return structuredClone(
    vectors.messages.find(m => m.envelope.type === type && m.envelope.to === opted.from)!.envelope,
  );
};
const [self, transport] = [vectors.messages[0]!.envelope.from, vectors.messages[0]!.envelope.to];
const cohort = vectors.advert.id;
const one = vectors.controllers.one.did;
const beacon = beaconOf(vectors.cohort.participant_pubkeys, 'regtest');
const outpoint = { txid: vectors.session.prevout.txid, vout: 0, value: 100_000 };
const other = { ...outpoint, txid: '11'.repeat(32) };

let clock: number;
let state: State;
let me: Member;
let news: string[];
let sidecars: string[];
let seq: number;
let chain: { output: (txid: string, vout: number) => Output | null; uses: Use[]; height: number; broken: boolean };
const fresh = () => ({
  keys: { transport: ada.transport_key, cohort: ada.cohort_key, did: vectors.controllers.one.secret },
  ...{ advert: vectors.advert, phase: 'new', relays: [], seq: 0, cursor: 0, sets: {}, set: null, challenge: null },
  ...{ dids: [], sessions: {}, waiting: {}, firstSeq: {}, outbox: [], inbox: [], seen: {} },
});

function start(terms: Json = {}): void {
  const advert = readAdvert(vectors.advert, clock) as Advert;
  const asked = () => {
    if (chain.broken) throw new ChainError('no node');
  };
  me = member({
    advert: { ...advert, terms: { ...advert.terms, ...terms } },
    state,
    save: () => {},
    chain: {
      history: async () => {
        asked();
        return { height: chain.height, uses: chain.uses };
      },
      output: async (txid: string, vout: number) => {
        asked();
        return chain.output(txid, vout);
      },
      broadcast: async () => {},
      inMempool: async () => true,
    },
    publish: () => {},
    tell: (event: string) => news.push(event),
    writeSidecar: (did: string) => sidecars.push(did),
    patch: null,
    now: () => clock,
  });
}

const sent = (type: string) => state.outbox.filter(o => o.envelope.type === type).map(o => o.envelope);
const envelopeOf = (type: string, body: object, more: object = {}) =>
  sealEnvelope(
    { type, from: transport, to: self, cohort, seq: seq++, created_at: clock, body, ...more },
    vectors.keys.aggregator_transport,
  );
const deliver = (envelope: Envelope) => me.take([wrap(envelope, vectors.keys.aggregator_transport, clock)], false);
const say = (type: string, body: object, more: object = {}) => deliver(envelopeOf(type, body, more));

/** A request whose session id is right for what it asks, unless told. */
function request({ fee = 308, at = outpoint, attempt = 1, psbt = (p: string) => p, more = {} } = {}) {
  const { signal_bytes } = vectors.tree;
  const tx = signalTransaction(beacon, at, fee, signal_bytes);
  const preimage = { ...vectors.session.session_id_preimage, attempt, outpoint: `${at.txid}:${at.vout}` };
  const session_id = hex(statement('session', { ...preimage, transactions: [tx.txid] }));
  const { body } = toAda('authorize_beacon_signal_request');
  const pending_beacon_signal = [Buffer.from(psbt(tx.psbt), 'hex').toString('base64')];
  return { ...body, session_id, attempt, pending_beacon_signal, ...more };
}
const ask = (body: ReturnType<typeof request>) =>
  say('authorize_beacon_signal_request', body, { session: body.session_id });
const proofOf = (change: object) => {
  const { evidence } = toAda('authorize_beacon_signal_request').body as { evidence: { proofs: Record<string, Json> } };
  const proof: Json = { ...evidence.proofs[one], ...change };
  for (const key of Object.keys(proof)) if (proof[key] === undefined) delete proof[key];
  return { more: { evidence: { proofs: { [one]: proof } } } };
};

async function seated(): Promise<void> {
  await me.work();
  await say('ack', toAda('ack').body, { in_reply_to: sent('opt_in')[0]!.id });
}

/** As far as the vectors are before their round: ready, registered, and the update of the vectors accepted. */
async function ready(): Promise<void> {
  await seated();
  await say('cohort_set', toAda('cohort_set').body);
  await say('cohort_ready', toAda('cohort_ready').body);
  const index = '0a6aa4a0b1c203800076880ae7570fc5e2846d93a4d648c13f01080b8fc57004';
  const body = { accepted: 'did_registration', did: one, index, proven: true, signals: [] };
  await say('ack', body, { in_reply_to: sent('did_registration')[0]!.id });
  state.dids[0]!.pending = { update: vectors.update, announcement: vectors.announcement, ackSeq: seq - 1 };
}

beforeEach(() => {
  clock = 1_900_000_000;
  state = fresh() as unknown as State;
  [news, sidecars, seq] = [[], [], 0];
  const known = (txid: string) => [outpoint.txid, other.txid].includes(txid);
  chain = {
    output: txid =>
      known(txid) ? { confirmations: 6, coinbase: false, script: beacon.script, value: outpoint.value } : null,
    uses: [],
    height: 500,
    broken: false,
  };
  start();
});

describe('the stranger’s advert', () => {
  test('is read as the vectors have it', () => {
    expect(readAdvert(vectors.advert, clock)).toMatchObject({ cohort, status: 'open', termsHash: expect.any(String) });
  });

  test.each([
    ['content', { content: vectors.advert.content.replace('"fee_cap":2000', '"fee_cap":2001') }],
    ['tags', { tags: vectors.advert.tags.map(tag => (tag[0] === 's' ? ['s', 'full'] : tag)) }],
    ['author', { pubkey: transport }],
    ['expiry', { created_at: 1 }],
  ])('is refused with another %s', (_name, change) => {
    expect(typeof readAdvert({ ...structuredClone(vectors.advert), ...change }, clock)).toBe('string');
  });
});

describe('the stranger’s cohort set', () => {
  const set = toAda('cohort_set').body;
  const keys = vectors.cohort.participant_pubkeys;

  test('is signed once it is recomputed', async () => {
    await seated();
    await say('cohort_set', set);
    expect(sent('cohort_set_ack')).toHaveLength(1);
  });

  test.each([
    ['another address', { beacon_address: 'bcrt1p3cfnl9xc39kkg2700szp6lgutpmmeuz9s2ajvw8u0xetpvex6wqsvxzszx' }],
    ['keys out of order', { participant_pubkeys: [...keys].reverse() }],
    ['a set without us', { participant_pubkeys: [keys[1], `03${keys[1]!.slice(2)}`] }],
    ['another advert', { advert_id: 'another' }],
  ])('is not signed with %s', async (_name, change) => {
    await seated();
    await say('cohort_set', { ...set, ...change });
    expect([sent('cohort_set_ack').length, news.at(-1)]).toEqual([0, 'set refused']);
  });

  test('is not signed where the address has a history', async () => {
    await seated();
    chain.uses = [{ txid: '22'.repeat(32), height: 1, time: 1, signal: null, outpoints: [] }];
    await say('cohort_set', set);
    expect(sent('cohort_set_ack')).toHaveLength(0);
  });

  test('waits while the node cannot be asked', async () => {
    await seated();
    chain.broken = true;
    await say('cohort_set', set);
    expect(sent('cohort_set_ack')).toHaveLength(0);
    chain.broken = false;
    await me.work();
    expect(sent('cohort_set_ack')).toHaveLength(1);
  });

  test('of keys that are no points is dropped, and holds nothing up', async () => {
    await seated();
    await say('cohort_set', { ...set, participant_pubkeys: [keys[0], `02${'00'.repeat(32)}`] });
    await say('cohort_set', set);
    expect([news.at(-1), sent('cohort_set_ack').length]).toEqual(['dropped', 1]);
  });

  test('is not signed twice, with other keys, under one attempt', async () => {
    await seated();
    await say('cohort_set', set);
    const mixed = [keys[0]!, `03${keys[1]!.slice(2)}`];
    await say('cohort_set', { ...set, participant_pubkeys: mixed });
    expect([sent('cohort_set_ack').length, news.at(-1)]).toEqual([1, 'set refused']);
  });

  test('is not believed to be signed by all where one signature is wrong', async () => {
    await seated();
    await say('cohort_set', set);
    const { body } = toAda('cohort_ready');
    const [first] = body.signatures as string[];
    await say('cohort_ready', { ...body, signatures: [first, first] });
    expect([state.phase, sent('did_registration').length]).toEqual(['proposed', 0]);
  });
});

describe('the stranger’s messages', () => {
  test.each([
    ['id', { id: '00'.repeat(32) }],
    ['signature', { sig: '00'.repeat(64) }],
    ['body', { body: { accepted: 'leave' } }],
  ])('are dropped with another %s', async (_name, change) => {
    await me.work();
    const ack = envelopeOf('ack', toAda('ack').body, { in_reply_to: sent('opt_in')[0]!.id });
    await deliver({ ...ack, ...change });
    expect(state.phase).toBe('asked');
  });

  test('change nothing the second time', async () => {
    await ready();
    const presence = envelopeOf('presence', toAda('presence').body);
    await deliver(presence);
    await deliver(presence);
    expect(sent('presence_ack')).toHaveLength(1);
  });

  test('are sent again until they are answered', async () => {
    await me.work();
    expect(state.outbox[0]!.open).toBe(true);
    await say('ack', toAda('ack').body, { in_reply_to: sent('opt_in')[0]!.id });
    expect(state.outbox[0]!.open).toBe(false);
  });

  test('end a seat that was taken away before the cohort was formed, and not after', async () => {
    await seated();
    await say('rejection', { code: 'seat_dropped', text: 'silent' });
    expect(state.phase).toBe('ended');
    state = fresh() as unknown as State;
    start();
    await ready();
    await say('rejection', { code: 'seat_dropped', text: 'silent' });
    expect(state.phase).toBe('ready');
  });
});

describe('the stranger’s nonce', () => {
  test('leaves for the request of the vectors, and one signature after it', async () => {
    await ready();
    await say('authorize_beacon_signal_request', toAda('authorize_beacon_signal_request').body, {
      session: hex(statement('session', vectors.session.session_id_preimage)),
    });
    expect(sent('nonce')).toHaveLength(1);
    expect(state.dids[0]!.evidence[vectors.tree.signal_bytes]).toBeDefined();
    const { body } = toAda('aggregated_nonce');
    await say('aggregated_nonce', body);
    const [a, b] = (body.agg_nonce as string[][])[0]!;
    await say('aggregated_nonce', { ...body, agg_nonce: [[b, a]] });
    expect(sent('signal_authorization')).toHaveLength(1);
    expect(news.at(-1)).toBe('a second aggregated nonce');
  });

  const flipped = 'QYv0tbuF4HLlsJMzuScLSZbDgF5KC6DHP2_6SwvgPrA';
  test.each<[string, Parameters<typeof request>[0]]>([
    ['wrong_session_id', { more: { session_id: '00'.repeat(32) } }],
    ['wrong_session_id', { more: { round: 2 } }],
    ['wrong_address', { more: { beacon_address: 'bcrt1p3cfnl9xc39kkg2700szp6lgutpmmeuz9s2ajvw8u0xetpvex6wqsvxzszx' } }],
    ['wrong_steps', { more: { pending_beacon_signal: Array(2).fill(request().pending_beacon_signal[0]) } }],
    ['psbt_invalid', { psbt: p => `${p}00` }],
    ['psbt_invalid', { psbt: p => p.slice(2) }],
    ['transaction_not_ours', { psbt: p => p.replace('fdffffff', 'ffffffff') }],
    ['transaction_not_ours', { psbt: p => p.replace('225120ad', '225120ae') }],
    ['transaction_not_ours', { psbt: p => p.replace('6a2036', '6a2037') }],
    ['transaction_not_ours', { psbt: p => p.replace('ff0100890200', 'ff0100890300') }],
    ['fee_over_cap', { fee: 2001 }],
    ['evidence_invalid', proofOf({ hashes: [flipped] })],
    ['evidence_invalid', proofOf({ nonce: 'TiKRKUBp13BBUVkG4CKaAbiWYIeqn5wZMC_6_KoB_uQ' })],
    ['evidence_invalid', { more: { evidence: { map: {} } } }],
    ['wrong_announcement', proofOf({ updateId: undefined })],
  ])('is withheld: %s', async (code, change) => {
    await ready();
    await ask(request(change));
    expect([sent('nonce').length, sent('veto')[0]?.body.code]).toEqual([0, code]);
  });

  test('is withheld from an update that nobody submitted', async () => {
    await ready();
    state.dids[0]!.pending = null;
    await ask(request());
    expect(sent('veto')[0]?.body.code).toBe('wrong_announcement');
  });

  test.each<[string, () => void]>([
    ['outpoint_unknown', () => (chain.output = () => null)],
    ['outpoint_shallow', () => depth(5, false)],
    ['outpoint_shallow', () => depth(100, true)],
    ['no_chain_view', () => (chain.broken = true)],
  ])('waits a while, and is withheld then: %s', async (code, change) => {
    await ready();
    change();
    await ask(request());
    expect(sent('veto').length + sent('nonce').length).toBe(0);
    clock += 121;
    await me.work();
    expect([sent('nonce').length, sent('veto')[0]?.body.code]).toEqual([0, code]);
  });

  test('leaves when a node that was a block behind has caught up', async () => {
    await ready();
    depth(5, false);
    await ask(request());
    depth(6, false);
    await me.work();
    expect([sent('nonce').length, sent('veto').length]).toEqual([1, 0]);
  });

  test('is withheld from an output of another value, or of somebody else', async () => {
    await ready();
    chain.output = () => ({ confirmations: 6, coinbase: false, script: beacon.script, value: 90_000 });
    await ask(request());
    chain.output = () => ({ confirmations: 6, coinbase: false, script: '51', value: 100_000 });
    await ask(request({ attempt: 2 }));
    expect(sent('veto').map(e => e.body.code)).toEqual(['outpoint_value', 'wrong_output_script']);
  });

  test('is withheld sooner than min_interval after the last signal', async () => {
    await ready();
    start({ frequency: { interval: 7200, min_interval: 3600, pending_updates: 1 } });
    chain.uses = [{ txid: '22'.repeat(32), height: 1, time: clock - 3000, signal: '33'.repeat(32), outpoints: [] }];
    await ask(request());
    chain.uses[0]!.time = clock - 3300;
    await ask(request({ attempt: 2 }));
    expect([sent('veto')[0]?.body.code, sent('nonce').length]).toEqual(['too_soon', 1]);
  });

  test('is one a fee step, where the terms have a ladder, and each step is rebuilt', async () => {
    const terms = { fee_ladder: { steps: 4, factor: 2, blocks: 3 } };
    const ladder = (fees: number[], attempt: number) => {
      const steps = fees.map(fee => signalTransaction(beacon, outpoint, fee, vectors.tree.signal_bytes));
      const preimage = { ...vectors.session.session_id_preimage, attempt, transactions: steps.map(step => step.txid) };
      const pending_beacon_signal = steps.map(step => Buffer.from(step.psbt, 'hex').toString('base64'));
      const session_id = hex(statement('session', preimage));
      return ask({ ...request({ attempt }), session_id, pending_beacon_signal });
    };
    await ready();
    start(terms);
    await ladder([308, 616, 1232], 1);
    await ladder([308, 616, 1300, 2000], 2);
    await ladder([308, 616, 1232, 2464], 3);
    expect(sent('veto').map(e => e.body.code)).toEqual(['wrong_steps', 'transaction_not_ours', 'transaction_not_ours']);
    await ladder([308, 616, 1232, 2000], 4);
    expect((sent('nonce')[0]!.body.nonce_points as string[][]).length).toBe(4);
    await ladder([700, 1400, 2000], 5);
    expect((sent('nonce')[1]!.body.nonce_points as string[][]).length).toBe(3);
  });

  test('is withheld without evidence, which is asked for first, and leaves when it comes', async () => {
    await ready();
    await ask(request({ more: { evidence: { proofs: {} } } }));
    expect(sent('proof_request').map(e => e.body.did)).toEqual([one]);
    const { more } = proofOf({});
    const signal = { session_id: '00'.repeat(32), signal_bytes: vectors.tree.signal_bytes, txid: null, height: null };
    const body = { beacon_address: vectors.cohort.beacon_address, did: one, signals: [{ ...signal, ...more }] };
    await say('proofs', body, { in_reply_to: sent('proof_request')[0]!.id });
    await me.work();
    expect([sent('nonce').length, sent('veto').length]).toEqual([1, 0]);
    await ask(request({ attempt: 2, more: { evidence: { proofs: {} }, signal_bytes: '44'.repeat(32) } }));
    clock += 121;
    await me.work();
    expect(sent('nonce')).toHaveLength(1);
  });
});

const depth = (confirmations: number, coinbase: boolean) => {
  chain.output = () => ({ confirmations, coinbase, script: beacon.script, value: outpoint.value });
};

describe('the stranger’s signed session', () => {
  const sign = async () => {
    await ready();
    const body = request();
    await ask(body);
    await say('aggregated_nonce', { ...toAda('aggregated_nonce').body, session_id: body.session_id });
    return body.session_id;
  };

  test('stands against another outpoint, and not against another fee for the same bytes', async () => {
    await sign();
    await ask(request({ at: other, attempt: 2 }));
    clock += 121;
    await me.work();
    expect(sent('veto')[0]?.body.code).toBe('open_session');
    await ask(request({ fee: 400, attempt: 3 }));
    expect(sent('nonce')).toHaveLength(2);
  });

  test('is not signed from memory that a new process does not have', async () => {
    await ready();
    const body = request();
    await ask(body);
    start();
    await me.work();
    await say('aggregated_nonce', { ...toAda('aggregated_nonce').body, session_id: body.session_id });
    expect([sent('nonce_lost').length, sent('signal_authorization').length]).toEqual([1, 0]);
  });

  test('is not signed when a DID came meanwhile of which there is no evidence', async () => {
    await ready();
    const body = request();
    await ask(body);
    state.dids.push({ ...state.dids[0]!, did: `${one}x`, evidence: {} });
    await say('aggregated_nonce', { ...toAda('aggregated_nonce').body, session_id: body.session_id });
    expect([sent('veto')[0]?.body.code, sent('signal_authorization').length]).toEqual(['evidence_missing', 0]);
  });

  test('believes a status only with a transaction that verifies', async () => {
    await sign();
    const { body } = toAda('signal_status');
    const [final] = body.transactions as string[];
    await say('signal_status', { ...body, transactions: [final!.replace('0140198f', '0140198e')] });
    expect(news).not.toContain('status');
    await say('signal_status', body);
    expect(news.at(-1)).toBe('status');
  });

  test('is settled by its bytes six blocks deep, and closed by anything else', async () => {
    const id = await sign();
    const spent = { height: 496, time: clock, outpoints: [`${outpoint.txid}:0`] };
    chain.uses = [{ txid: vectors.session.txid, signal: vectors.tree.signal_bytes, ...spent }];
    await me.work();
    expect(state.sessions[id]!.phase).toBe('signed');
    chain.height = 501;
    await me.work();
    expect(state.sessions[id]!.phase).toBe('settled');
    expect([state.dids[0]!.updates.length, state.dids[0]!.pending, sidecars]).toEqual([1, null, [one]]);

    state = fresh() as unknown as State;
    [chain.uses, sidecars] = [[], []];
    start();
    const again = await sign();
    chain.uses = [{ txid: '22'.repeat(32), signal: null, ...spent }];
    await me.work();
    expect(state.sessions[again]!.phase).toBe('closed');
    expect([state.dids[0]!.pending !== null, sidecars]).toEqual([true, []]);
  });
});
