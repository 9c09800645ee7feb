import { beforeAll, describe, expect, it } from 'vitest';
import { toBase64url, toHex } from '../../src/crypto/index.ts';
import {
  announcementOf,
  applyUpdate,
  beaconService,
  beaconServices,
  DEACTIVATE,
  type DidDocument,
  DidError,
  didOfGenesis,
  documentOfGenesis,
  encodeDid,
  genesisDocument,
  initialDocument,
  jsonHash,
  jsonHash64,
  makeSidecar,
  type Patch,
  type ResolveOptions,
  resolve,
  type SignedUpdate,
  singletonAddresses,
} from '../../src/did/index.ts';
import { codeOf, controllerOf, failureOf, memoryChain, smtSignal, updateOf } from './fixtures.ts';

const alice = controllerOf(1);
const bob = controllerOf(2);
const first = initialDocument(alice.did);
const { p2pkh: A, p2wpkh: B, p2tr: C } = singletonAddresses(alice.publicKey, 'regtest');
const SHARED = singletonAddresses(controllerOf(9).publicKey, 'regtest').p2tr;
const NONCE = new Uint8Array(32).fill(5);

/** A line of updates of one document, each by its controller, and the documents between them. */
async function historyOf(document: DidDocument, ...patches: Patch[]) {
  const documents = [document];
  const updates: SignedUpdate[] = [];
  for (const patch of patches) {
    const source = documents.at(-1)!;
    const update = await updateOf(alice, source, documents.length, patch);
    updates.push(update);
    documents.push(applyUpdate({ did: document.id, document: source, versionId: documents.length, update }));
  }
  return { documents, updates };
}

const note = (value: number): Patch => [{ op: 'add', path: '/note', value }];
const time = (height: number): string => new Date(height * 600_000).toISOString().replace('.000', '');

describe('a k DID', () => {
  it('without signals is its first document', async () => {
    const chain = memoryChain();
    expect(await resolve({ did: alice.did, chain: chain.source })).toEqual({
      document: first,
      versionId: '1',
      deactivated: false,
      confirmations: 0,
      updates: [],
      neededSignals: [],
    });
    expect(chain.scans).toEqual([A, B, C].map(address => ({ address, fromHeight: 0 })));
  });

  it('follows its updates over all its beacons', async () => {
    const { documents, updates } = await historyOf(first, note(1), note(2));
    const chain = memoryChain();
    const later = chain.signal(A, 300, announcementOf(updates[1]!));
    const earlier = chain.signal(C, 200, announcementOf(updates[0]!));
    const result = await resolve({ did: alice.did, sidecar: makeSidecar({ updates }), chain: chain.source });
    expect(result).toMatchObject({ document: documents[2], versionId: '3', deactivated: false, confirmations: 701 });
    expect(result.updates.map(({ update, signal }) => [update, signal.txid])).toEqual([
      [updates[0], earlier],
      [updates[1], later],
    ]);
    expect(result.neededSignals).toEqual([
      {
        address: A,
        type: 'SingletonBeacon',
        txid: later,
        height: 300,
        blockTime: 180_000,
        signalBytes: toHex(announcementOf(updates[1]!)),
      },
      expect.objectContaining({ address: C, txid: earlier }),
    ]);
  });

  it('leaves sidecar and options as they were', async () => {
    const { updates } = await historyOf(
      first,
      [{ op: 'add', path: '/n', value: [1] }],
      [{ op: 'add', path: '/n/-', value: 2 }],
    );
    const chain = memoryChain();
    for (const update of updates) chain.signal(A, 200, announcementOf(update));
    const sidecar = makeSidecar({ updates });
    const before = JSON.stringify(sidecar);
    const resolveIt = () => resolve({ did: alice.did, sidecar, chain: chain.source });
    expect(await resolveIt()).toEqual(await resolveIt());
    expect(JSON.stringify(sidecar)).toBe(before);
  });

  it('sees only spends that end in signal bytes', async () => {
    const chain = memoryChain();
    chain.signal(A, 200, '5120'.padEnd(68, '0'));
    chain.signal(A, 201, `6a4c20${'00'.repeat(32)}`);
    expect(await resolve({ did: alice.did, chain: chain.source })).toMatchObject({ versionId: '1', neededSignals: [] });
  });

  it('waits for six confirmations, or as many as were asked for', async () => {
    const { updates } = await historyOf(first, note(1));
    const at = async (height: number, minConf?: number) => {
      const chain = memoryChain(1000);
      chain.signal(A, height, announcementOf(updates[0]!));
      const options = minConf === undefined ? {} : { minConf };
      const result = await resolve({ did: alice.did, sidecar: { updates }, options, chain: chain.source });
      return [result.versionId, result.confirmations];
    };
    expect(await at(996)).toEqual(['1', 0]);
    expect(await at(995)).toEqual(['2', 6]);
    expect(await at(1000, 1)).toEqual(['2', 1]);
    expect(await at(1000, 2)).toEqual(['1', 0]);
  });

  it('reports a fault of the chain as it is', async () => {
    const source = { ...memoryChain().source, spends: () => Promise.reject(new Error('node is down')) };
    await expect(resolve({ did: alice.did, chain: source })).rejects.toThrow('node is down');
  });
});

describe('late publishing', () => {
  let one: SignedUpdate[];
  let other: SignedUpdate[];
  beforeAll(async () => {
    one = (await historyOf(first, note(1), note(2))).updates;
    other = (await historyOf(first, note(7))).updates;
  });

  const resolving = (signals: [string, number, SignedUpdate][], options: ResolveOptions = {}) => {
    const chain = memoryChain();
    for (const [address, height, update] of signals) chain.signal(address, height, announcementOf(update));
    return resolve({ did: alice.did, sidecar: { updates: [...one, ...other] }, options, chain: chain.source });
  };

  it('two updates for one version end the DID, in whatever order they were mined', async () => {
    const error = await failureOf(() =>
      resolving([
        [A, 200, one[0]!],
        [B, 300, other[0]!],
      ]),
    );
    expect(error).toBeInstanceOf(DidError);
    expect(error).toMatchObject({ code: 'LATE_PUBLISHING', detail: { targetVersionId: 2, address: B, height: 300 } });
    expect(
      await codeOf(() =>
        resolving([
          [A, 300, one[0]!],
          [A, 200, other[0]!],
        ]),
      ),
    ).toBe('LATE_PUBLISHING');
    expect(
      await codeOf(() =>
        resolving([
          [A, 200, one[0]!],
          [A, 200, other[0]!],
        ]),
      ),
    ).toBe('LATE_PUBLISHING');
    expect(
      await codeOf(() =>
        resolving([
          [A, 200, one[0]!],
          [A, 201, one[1]!],
          [A, 202, other[0]!],
        ]),
      ),
    ).toBe('LATE_PUBLISHING');
  });

  it('a version that was skipped ends it too', async () => {
    expect(await codeOf(() => resolving([[A, 200, one[1]!]]))).toBe('LATE_PUBLISHING');
  });

  it('the same update again is harmless, and the earliest block counts', async () => {
    const result = await resolving([
      [A, 250, one[0]!],
      [B, 200, one[0]!],
      [A, 210, one[1]!],
      [C, 400, one[0]!],
    ]);
    expect(result).toMatchObject({ versionId: '3', confirmations: 791 });
    expect(result.neededSignals).toHaveLength(4);
    expect(
      await resolving([
        [A, 250, one[0]!],
        [B, 200, one[0]!],
      ]),
    ).toMatchObject({ versionId: '2', confirmations: 801 });
  });

  it('the same update under another signature is the same update', async () => {
    const resigned = await updateOf({ ...alice, signer: hash => bob.signer(hash) }, first, 1, note(1));
    const chain = memoryChain();
    chain.signal(A, 200, announcementOf(one[0]!));
    chain.signal(B, 201, announcementOf(resigned));
    const sidecar = { updates: [one[0], resigned] };
    expect(await resolve({ did: alice.did, sidecar, chain: chain.source })).toMatchObject({ versionId: '2' });
  });

  it('a duplicate after versionTime does not hide a version before it', async () => {
    const signals: [string, number, SignedUpdate][] = [
      [A, 100, one[0]!],
      [A, 300, one[0]!],
      [A, 150, one[1]!],
    ];
    expect(await resolving(signals, { versionTime: time(200) })).toMatchObject({ versionId: '3' });
    const late: [string, number, SignedUpdate][] = [
      [A, 100, one[0]!],
      [A, 300, other[0]!],
    ];
    expect(await codeOf(() => resolving(late, { versionTime: time(200) }))).toBe('LATE_PUBLISHING');
  });

  it('an announced version below 2, or none, is no update', async () => {
    for (const targetVersionId of [1, 0, -3]) {
      const bad = { ...one[0]!, targetVersionId };
      const chain = memoryChain();
      chain.signal(A, 200, jsonHash(bad));
      expect(await codeOf(() => resolve({ did: alice.did, sidecar: { updates: [bad] }, chain: chain.source }))).toBe(
        'INVALID_DID_UPDATE',
      );
    }
    for (const targetVersionId of ['2', 2.5, null]) {
      const bad = { ...one[0]!, targetVersionId };
      const chain = memoryChain();
      chain.signal(A, 200, jsonHash(bad));
      const error = await failureOf(() =>
        resolve({ did: alice.did, sidecar: { updates: [bad] }, chain: chain.source }),
      );
      expect(error).toMatchObject({ code: 'INVALID_DID_UPDATE', detail: { field: 'targetVersionId', height: 200 } });
    }
  });
});

describe('versions and times', () => {
  let sidecar: object;
  let documents: DidDocument[];
  const chain = memoryChain();
  beforeAll(async () => {
    const history = await historyOf(first, note(1), note(2));
    documents = history.documents;
    sidecar = { updates: history.updates };
    chain.signal(A, 100, announcementOf(history.updates[0]!));
    chain.signal(A, 200, announcementOf(history.updates[1]!));
  });
  const resolving = (options: ResolveOptions) => resolve({ did: alice.did, sidecar, options, chain: chain.source });

  it.each(['1', '2', '3'])('resolves version %s', async versionId => {
    expect(await resolving({ versionId })).toMatchObject({ versionId, document: documents[Number(versionId) - 1] });
  });

  it('does not find a version that was never reached', async () => {
    expect(await codeOf(() => resolving({ versionId: '4' }))).toBe('NOT_FOUND');
  });

  it('resolves what was valid at a time, its own second included, by the mediantime of the blocks', async () => {
    expect(await resolving({ versionTime: time(99) })).toMatchObject({ versionId: '1', confirmations: 0 });
    expect(await resolving({ versionTime: time(100) })).toMatchObject({ versionId: '2', confirmations: 901 });
    expect(await resolving({ versionTime: time(199) })).toMatchObject({ versionId: '2' });
    expect(await resolving({ versionTime: time(5000) })).toMatchObject({ versionId: '3' });
  });

  it.each<[string, ResolveOptions]>([
    ['both', { versionId: '1', versionTime: time(1) }],
    ['version 0', { versionId: '0' }],
    ['a version in words', { versionId: 'two' }],
    ['a padded version', { versionId: '02' }],
    ['a date without time', { versionTime: '2026-01-01' }],
    ['a time with fractions', { versionTime: '2026-01-01T00:00:00.5Z' }],
    ['a time of another zone', { versionTime: '2026-01-01T00:00:00+01:00' }],
    ['a time that is none', { versionTime: '2026-13-01T00:00:00Z' }],
    ['no confirmations', { minConf: 0 }],
    ['half a confirmation', { minConf: 1.5 }],
  ])('refuses %s', async (_, options) => {
    expect(await codeOf(() => resolving(options))).toBe('INVALID_OPTIONS');
  });
});

describe('what a sidecar must bring', () => {
  it('names every update that is missing, and the signal that calls for it', async () => {
    const { updates } = await historyOf(first, note(1), note(2));
    const chain = memoryChain();
    const txid = chain.signal(A, 100, announcementOf(updates[0]!));
    const second = chain.signal(C, 200, announcementOf(updates[1]!));
    const error = await failureOf(() => resolve({ did: alice.did, chain: chain.source }));
    expect(error).toMatchObject({
      code: 'MISSING_UPDATE_DATA',
      detail: {
        did: alice.did,
        part: 'update',
        txid,
        missing: [
          { part: 'update', hash: jsonHash64(updates[0]), txid, address: A, height: 100 },
          { part: 'update', hash: jsonHash64(updates[1]), txid: second, address: C, height: 200 },
        ],
      },
    });
  });

  it('an altered update is not the announced one', async () => {
    const { updates } = await historyOf(first, note(1));
    const chain = memoryChain();
    chain.signal(A, 100, announcementOf(updates[0]!));
    const sidecar = { updates: [{ ...updates[0], targetVersionId: 3 }] };
    expect(await codeOf(() => resolve({ did: alice.did, sidecar, chain: chain.source }))).toBe('MISSING_UPDATE_DATA');
  });

  it('an announced update that is wrong ends the DID', async () => {
    const forged = await updateOf(bob, first, 1, note(1));
    const chain = memoryChain();
    const txid = chain.signal(A, 100, announcementOf(forged));
    const error = await failureOf(() =>
      resolve({ did: alice.did, sidecar: { updates: [forged] }, chain: chain.source }),
    );
    expect(error).toMatchObject({
      code: 'INVALID_DID_UPDATE',
      detail: { field: 'proof.proofValue', did: alice.did, txid, address: A, targetVersionId: 2 },
    });
  });

  it('refuses a sidecar that is none, and an identifier that is none', async () => {
    const chain = memoryChain().source;
    expect(await codeOf(() => resolve({ did: alice.did, sidecar: [], chain }))).toBe('INVALID_OPTIONS');
    expect(await codeOf(() => resolve({ did: alice.did.toUpperCase(), chain }))).toBe('INVALID_DID');
    expect(await codeOf(() => resolve({ did: 'did:btc1:x1abc', chain }))).toBe('INVALID_DID');
  });
});

describe('an x DID in a cohort', () => {
  const genesisOf = (type: 'SMTBeacon' | 'CASBeacon') =>
    genesisDocument({
      publicKey: alice.publicKey,
      network: 'regtest',
      services: [beaconService('#cohort', type, SHARED)],
    });
  const smtGenesis = genesisOf('SMTBeacon');
  const smtDid = didOfGenesis(smtGenesis, 'regtest');
  const smtDocument = documentOfGenesis(smtDid, smtGenesis);
  const casGenesis = genesisOf('CASBeacon');
  const casDid = didOfGenesis(casGenesis, 'regtest');
  const casDocument = documentOfGenesis(casDid, casGenesis);

  it('needs its genesis document, and the right one', async () => {
    const chain = memoryChain().source;
    expect(await codeOf(() => resolve({ did: smtDid, chain }))).toBe('INVALID_DID');
    expect(await codeOf(() => resolve({ did: smtDid, sidecar: { genesisDocument: casGenesis }, chain }))).toBe(
      'INVALID_DID',
    );
    expect(await resolve({ did: smtDid, sidecar: { genesisDocument: smtGenesis }, chain })).toMatchObject({
      document: smtDocument,
      versionId: '1',
    });
  });

  it('whose genesis document is no DID document is no DID', async () => {
    const junk = { ...smtGenesis, service: 'none' };
    const did = encodeDid({ version: 1, network: 'regtest', kind: 'external', genesisBytes: jsonHash(junk) });
    const chain = memoryChain().source;
    expect(await codeOf(() => resolve({ did, sidecar: { genesisDocument: junk }, chain }))).toBe(
      'INVALID_DID_DOCUMENT',
    );
  });

  describe('with an SMT beacon', () => {
    const others = { 'did:other': { nonce: NONCE } };
    let update: SignedUpdate;
    let before: ReturnType<typeof smtSignal>;
    let quiet: ReturnType<typeof smtSignal>;
    let loud: ReturnType<typeof smtSignal>;
    const chain = memoryChain();
    beforeAll(async () => {
      update = (await historyOf(smtDocument, note(1))).updates[0]!;
      before = smtSignal(others);
      quiet = smtSignal({ ...others, [smtDid]: { nonce: NONCE } });
      loud = smtSignal({ ...others, [smtDid]: { nonce: NONCE, announcement: announcementOf(update) } });
      chain.signal(SHARED, 100, before.root);
      chain.signal(SHARED, 200, quiet.root);
      chain.signal(SHARED, 300, loud.root);
    });
    const resolving = (smtProofs: object[], options: ResolveOptions = {}) =>
      resolve({
        did: smtDid,
        sidecar: { genesisDocument: smtGenesis, updates: [update], smtProofs },
        options,
        chain: chain.source,
      });

    it('resolves with a proof for every signal, those before it joined included', async () => {
      const result = await resolving([before, quiet, loud].map(signal => signal.proof(smtDid)));
      expect(result).toMatchObject({ versionId: '2', confirmations: 701 });
      expect(result.neededSignals.map(signal => [signal.type, signal.height, signal.signalBytes])).toEqual([
        ['SMTBeacon', 100, toHex(before.root)],
        ['SMTBeacon', 200, toHex(quiet.root)],
        ['SMTBeacon', 300, toHex(loud.root)],
      ]);
    });

    it('lacks what any signal calls for', async () => {
      const error = await failureOf(() => resolving([quiet.proof(smtDid)]));
      expect(error).toMatchObject({
        code: 'MISSING_UPDATE_DATA',
        detail: {
          part: 'smt-proof',
          missing: [
            { part: 'smt-proof', hash: toBase64url(before.root), height: 100 },
            { part: 'smt-proof', hash: toBase64url(loud.root), height: 300 },
          ],
        },
      });
    });

    it('is not misled by altered proofs', async () => {
      const good = [before, quiet, loud].map(signal => signal.proof(smtDid));
      const [first, second, third] = good as [(typeof good)[0], (typeof good)[0], (typeof good)[0]];
      const { updateId: _, ...silenced } = third;
      const { nonce: __, ...opened } = second;
      const forged: object[][] = [
        [first, second, silenced],
        [first, second, { ...third, updateId: jsonHash64({}) }],
        [first, { ...second, updateId: third.updateId }, third],
        [first, opened, third],
        [{ ...first, hashes: [] }, second, third],
        [loud.proof('did:other'), first, second],
        [first, second, { ...third, id: second.id }, { ...second, id: third.id }],
      ];
      for (const proofs of forged) {
        const error = await failureOf(() => resolving(proofs));
        expect(error).toMatchObject({
          code: 'INVALID_SIGNAL_DATA',
          detail: { did: smtDid, address: SHARED, part: 'smt-proof' },
        });
      }
    });

    it('takes a proof of another signal for none', async () => {
      const strange = smtSignal({ [smtDid]: {} }).proof(smtDid);
      expect(await codeOf(() => resolving([before.proof(smtDid), quiet.proof(smtDid), strange]))).toBe(
        'MISSING_UPDATE_DATA',
      );
    });

    it('takes the older bit order only when told', async () => {
      const old = smtSignal({ ...others, [smtDid]: { announcement: announcementOf(update) } }, 'lsb');
      const oldChain = memoryChain();
      oldChain.signal(SHARED, 100, old.root);
      const sidecar = { genesisDocument: smtGenesis, updates: [update], smtProofs: [old.proof(smtDid)] };
      const params = { did: smtDid, sidecar, chain: oldChain.source };
      expect(await codeOf(() => resolve(params))).toBe('INVALID_SIGNAL_DATA');
      expect(await resolve({ ...params, options: { bitOrder: 'lsb' } })).toMatchObject({ versionId: '2' });
    });
  });

  describe('with a CAS beacon', () => {
    const resolving = async (maps: object[], sidecarMaps: object[] = maps, announced = true) => {
      const { updates } = await historyOf(casDocument, note(1));
      const chain = memoryChain();
      maps.forEach((map, i) => {
        chain.signal(SHARED, 100 + i, jsonHash(map));
      });
      const sidecar = { genesisDocument: casGenesis, updates: announced ? updates : [], casUpdates: sidecarMaps };
      return resolve({ did: casDid, sidecar, chain: chain.source });
    };
    const announcing = async () => ({
      [casDid]: jsonHash64((await historyOf(casDocument, note(1))).updates[0]),
      'did:other': jsonHash64({}),
    });

    it('finds its update in the map, and none where it is absent', async () => {
      const absent = { 'did:other': jsonHash64({}) };
      expect(await resolving([absent, await announcing(), absent])).toMatchObject({
        versionId: '2',
        confirmations: 900,
      });
    });

    it('is absent from an empty map', async () => {
      expect(await resolving([{}])).toMatchObject({ versionId: '1' });
    });

    it('lacks a map, an update, or holds another map', async () => {
      const map = await announcing();
      const parts = async (run: () => Promise<unknown>) => {
        const error = await failureOf(run);
        return error instanceof DidError ? [error.code, error.detail.part] : error;
      };
      expect(await parts(() => resolving([map], []))).toEqual(['MISSING_UPDATE_DATA', 'cas-announcement']);
      expect(await parts(() => resolving([map], [{ 'did:other': map['did:other'] }]))).toEqual([
        'MISSING_UPDATE_DATA',
        'cas-announcement',
      ]);
      expect(await parts(() => resolving([map], [map], false))).toEqual(['MISSING_UPDATE_DATA', 'update']);
    });

    it.each([[1], [null], ['short'], [`${jsonHash64({})}=`], ['00'.repeat(32)]])(
      'refuses the entry %j',
      async entry => {
        expect(await codeOf(() => resolving([{ [casDid]: entry }]))).toBe('INVALID_SIGNAL_DATA');
      },
    );
  });

  it('uses its own beacon beside that of the cohort', async () => {
    const { documents, updates } = await historyOf(smtDocument, note(1), note(2));
    const loud = smtSignal({ [smtDid]: { announcement: announcementOf(updates[1]!) } });
    const chain = memoryChain();
    chain.signal(C, 100, announcementOf(updates[0]!));
    chain.signal(SHARED, 200, loud.root);
    const sidecar = makeSidecar({ genesisDocument: smtGenesis, updates, smtProofs: [loud.proof(smtDid)] });
    expect(await resolve({ did: smtDid, sidecar, chain: chain.source })).toMatchObject({
      document: documents[2],
      versionId: '3',
    });
  });
});

describe('beacons that come and go', () => {
  const adding: Patch = [{ op: 'add', path: '/service/-', value: beaconService('#cohort', 'SMTBeacon', SHARED) }];

  it('an added beacon counts from the block that added it, that block included', async () => {
    const { documents, updates } = await historyOf(first, adding, note(1));
    const silent = smtSignal({ 'did:other': { nonce: NONCE } });
    const loud = smtSignal({ [alice.did]: { nonce: NONCE, announcement: announcementOf(updates[1]!) } });
    const chain = memoryChain();
    chain.signal(SHARED, 199, smtSignal({ 'did:early': { nonce: NONCE } }).root);
    chain.signal(A, 200, announcementOf(updates[0]!));
    chain.signal(SHARED, 200, silent.root);
    chain.signal(SHARED, 300, loud.root);
    const smtProofs = [silent, loud].map(signal => signal.proof(alice.did));
    const params = { did: alice.did, sidecar: { updates, smtProofs }, chain: chain.source };
    expect(await resolve(params)).toMatchObject({ document: documents[2], versionId: '3' });
    expect(chain.scans.at(-1)).toEqual({ address: SHARED, fromHeight: 200 });

    expect(await codeOf(() => resolve({ ...params, sidecar: { updates, smtProofs: smtProofs.slice(1) } }))).toBe(
      'MISSING_UPDATE_DATA',
    );
    expect(await codeOf(() => resolve({ ...params, options: { legacy: true } }))).toBe('MISSING_UPDATE_DATA');
    expect(chain.scans.at(-1)).toEqual({ address: SHARED, fromHeight: 0 });
  });

  it('a removed beacon has no say any more', async () => {
    const onlyB: Patch = [
      { op: 'remove', path: '/service/2' },
      { op: 'remove', path: '/service/0' },
    ];
    const { documents, updates } = await historyOf(first, onlyB, note(1));
    const chain = memoryChain();
    chain.signal(A, 100, announcementOf(updates[0]!));
    chain.signal(A, 200, announcementOf(updates[1]!));
    const params = { did: alice.did, sidecar: { updates }, chain: chain.source };
    expect(await resolve(params)).toMatchObject({ document: documents[1], versionId: '2', confirmations: 901 });
    chain.signal(B, 300, announcementOf(updates[1]!));
    expect(await resolve(params)).toMatchObject({ document: documents[2], versionId: '3', confirmations: 701 });
  });

  it('not even to rewrite history: whoever bought its keys cannot end the DID', async () => {
    const onlyB: Patch = [
      { op: 'remove', path: '/service/2' },
      { op: 'remove', path: '/service/0' },
    ];
    const { updates } = await historyOf(first, onlyB);
    const rival = (await historyOf(first, note(7))).updates[0]!;
    const chain = memoryChain();
    chain.signal(A, 100, announcementOf(updates[0]!));
    chain.signal(C, 200, announcementOf(rival));
    const sidecar = { updates: [...updates, rival] };
    expect(await resolve({ did: alice.did, sidecar, chain: chain.source })).toMatchObject({ versionId: '2' });
  });

  it('but its later signals are still read, and their data needed', async () => {
    const genesis = genesisDocument({
      publicKey: alice.publicKey,
      network: 'regtest',
      services: [beaconService('#cohort', 'SMTBeacon', SHARED)],
    });
    const did = didOfGenesis(genesis, 'regtest');
    const { updates } = await historyOf(documentOfGenesis(did, genesis), [{ op: 'remove', path: '/service/0' }]);
    const later = smtSignal({ 'did:other': { nonce: NONCE } });
    const chain = memoryChain();
    chain.signal(C, 100, announcementOf(updates[0]!));
    chain.signal(SHARED, 200, later.root);
    const sidecar = { genesisDocument: genesis, updates };
    expect(await codeOf(() => resolve({ did, sidecar, chain: chain.source }))).toBe('MISSING_UPDATE_DATA');
    const whole = { ...sidecar, smtProofs: [later.proof(did)] };
    expect(await resolve({ did, sidecar: whole, chain: chain.source })).toMatchObject({ versionId: '2' });
  });

  it('reads each address once, however often it is listed', async () => {
    const again: Patch = [{ op: 'add', path: '/service/-', value: beaconService('#again', 'SingletonBeacon', A) }];
    const { documents, updates } = await historyOf(first, again);
    const chain = memoryChain();
    chain.signal(A, 100, announcementOf(updates[0]!));
    const result = await resolve({ did: alice.did, sidecar: { updates }, chain: chain.source });
    expect(result.document).toEqual(documents[1]);
    expect(beaconServices(result.document)).toHaveLength(4);
    expect(chain.scans.map(scan => scan.address)).toEqual([A, B, C]);
    expect(result.neededSignals).toHaveLength(1);
  });

  it('does not trust the source to keep to the heights, or to name a spend once', async () => {
    const { updates } = await historyOf(first, adding);
    const chain = memoryChain();
    chain.signal(A, 200, announcementOf(updates[0]!));
    chain.signal(SHARED, 100, smtSignal({ 'did:early': { nonce: NONCE } }).root);
    const careless = {
      ...chain.source,
      spends: async (address: string) => {
        const spends = await chain.source.spends(address, 0);
        return [...spends, ...spends];
      },
    };
    const result = await resolve({ did: alice.did, sidecar: { updates }, chain: careless });
    expect(result).toMatchObject({ versionId: '2' });
    expect(result.neededSignals).toHaveLength(1);
  });
});

describe('deactivation', () => {
  let documents: DidDocument[];
  let updates: SignedUpdate[];
  beforeAll(async () => {
    ({ documents, updates } = await historyOf(first, note(1), DEACTIVATE));
  });

  it('ends resolution, whatever is announced later', async () => {
    const after = await updateOf(alice, documents[2]!, 3, note(2));
    const chain = memoryChain();
    chain.signal(A, 100, announcementOf(updates[0]!));
    chain.signal(A, 200, announcementOf(updates[1]!));
    chain.signal(A, 300, announcementOf(after));
    const sidecar = { updates: [...updates, after] };
    const resolving = (options: ResolveOptions) => resolve({ did: alice.did, sidecar, options, chain: chain.source });
    expect(await resolving({})).toMatchObject({
      document: documents[2],
      versionId: '3',
      deactivated: true,
      confirmations: 801,
    });
    expect(await resolving({ versionId: '3' })).toMatchObject({ deactivated: true });
    expect(await resolving({ versionId: '2' })).toMatchObject({ deactivated: false });
    expect(await codeOf(() => resolving({ versionId: '4' }))).toBe('NOT_FOUND');
  });

  it('of a genesis document is a DID that never lived', async () => {
    const genesis = { ...genesisDocument({ publicKey: alice.publicKey, network: 'regtest' }), deactivated: true };
    const did = didOfGenesis(genesis, 'regtest');
    const chain = memoryChain().source;
    expect(await resolve({ did, sidecar: { genesisDocument: genesis }, chain })).toMatchObject({
      deactivated: true,
      versionId: '1',
    });
  });
});
