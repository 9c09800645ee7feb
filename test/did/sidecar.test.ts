import { describe, expect, it } from 'vitest';
import { jsonHash64, makeSidecar, proofFor, readSidecar, signalBytesOf } from '../../src/did/index.ts';
import vectors from '../vectors/did/specification.json' with { type: 'json' };
import { codeOf, smtSignal } from './fixtures.ts';

const { did, update, empty_index } = vectors.smtProofs;

describe('sidecar', () => {
  it('is written with all its lists, each thing once', () => {
    expect(
      makeSidecar({
        updates: [
          { a: 1, b: 2 },
          { b: 2, a: 1 },
        ],
        smtProofs: [update, update],
      }),
    ).toEqual({
      '@context': 'https://btcr2.dev/context/v1',
      updates: [{ b: 2, a: 1 }],
      casUpdates: [],
      smtProofs: [update],
    });
    expect(makeSidecar({ genesisDocument: { id: 'x' } })).toHaveProperty('genesisDocument');
  });

  it('is read into tables by hash and id', () => {
    const tables = readSidecar({ updates: [{ a: 1 }], casUpdates: [{ [did]: 'x' }], smtProofs: [update] });
    expect(tables.updates.get(jsonHash64({ a: 1 }))).toEqual({ a: 1 });
    expect(tables.casUpdates.get(jsonHash64({ [did]: 'x' }))).toEqual({ [did]: 'x' });
    expect(tables.smtProofs.get(update.id)).toEqual([update]);
    expect(readSidecar({}).updates.size).toBe(0);
  });

  it.each([
    ['a list', []],
    ['null', null],
    ['another context', { '@context': 'https://example.com' }],
    ['updates that are no list', { updates: {} }],
    ['an update that is no object', { updates: [1] }],
    ['a map that is no object', { casUpdates: ['x'] }],
    ['a genesis document that is no object', { genesisDocument: 'x' }],
    ['an update that is not JSON', { updates: [{ a: Number.NaN }] }],
    ['a name that copying code drops', { casUpdates: [JSON.parse('{"__proto__":"x"}')] }],
  ])('refuses %s', async (_, sidecar) => {
    expect(await codeOf(() => readSidecar(sidecar))).toBe('INVALID_OPTIONS');
  });

  it.each([
    ['no object', 'x'],
    ['no hashes', { ...update, hashes: undefined }],
    ['more hashes than levels', { ...update, hashes: Array(257).fill(update.id) }],
    ['an id of another length', { ...update, id: update.id.slice(0, 40) }],
    ['an id in hex', { ...update, id: '00'.repeat(32) }],
    ['an id with padding', { ...update, id: `${update.id}=` }],
    ['an id spelled in another way', { ...update, id: `${update.id.slice(0, -1)}9` }],
  ])('refuses a proof with %s', async (_, proof) => {
    expect(await codeOf(() => readSidecar({ smtProofs: [proof] }))).toBe('INVALID_SIGNAL_DATA');
  });
});

describe('SMT proofs', () => {
  it('verifies the two published ones', () => {
    const tables = readSidecar({ smtProofs: [update, empty_index] });
    expect(proofFor(did, update.id, tables, 'spec')).toEqual(update);
    expect(proofFor(did, empty_index.id, tables, 'spec')).toEqual(empty_index);
    expect(proofFor(did, jsonHash64({}), tables, 'spec')).toBeUndefined();
  });

  it('finds the one of this DID among several of one signal', () => {
    const signal = smtSignal({ 'did:a': {}, 'did:b': { nonce: new Uint8Array(32) } });
    const tables = readSidecar({ smtProofs: ['did:a', 'did:b', 'did:c'].map(signal.proof) });
    const [root] = [...tables.smtProofs.keys()];
    for (const one of ['did:a', 'did:b', 'did:c'])
      expect(proofFor(one, root!, tables, 'spec')).toEqual(signal.proof(one));
  });

  it.each([
    ['another DID', 'did:other', update],
    ['another announcement', did, { ...update, updateId: update.id }],
    ['no announcement', did, { ...update, updateId: undefined }],
    ['another nonce', did, { ...update, nonce: update.id }],
    ['a sibling altered', did, { ...update, hashes: [update.id, update.hashes[1]!] }],
    ['siblings swapped', did, { ...update, hashes: update.hashes.toReversed() }],
    ['another bitmap', did, { ...update, collapsed: update.id }],
  ])('refuses a proof of %s', async (_, subject, proof) => {
    const tables = readSidecar({ smtProofs: [proof] });
    expect(await codeOf(() => proofFor(subject, update.id, tables, 'spec'))).toBe('INVALID_SIGNAL_DATA');
  });

  it('never takes the other bit order by itself', async () => {
    const signal = smtSignal({ 'did:a': { nonce: new Uint8Array(32) }, 'did:b': { nonce: new Uint8Array(32) } }, 'lsb');
    const tables = readSidecar({ smtProofs: [signal.proof('did:a')] });
    const [root] = [...tables.smtProofs.keys()];
    expect(await codeOf(() => proofFor('did:a', root!, tables, 'spec'))).toBe('INVALID_SIGNAL_DATA');
    expect(proofFor('did:a', root!, tables, 'lsb')).toEqual(signal.proof('did:a'));
  });
});

describe('signal bytes', () => {
  const bytes = 'ab'.repeat(32);
  it('are those of OP_RETURN with one push of 32 bytes', () => {
    expect(signalBytesOf(`6a20${bytes}`)).toBe(bytes);
  });
  it.each([
    ['another opcode', `5120${bytes}`],
    ['another length', `6a1f${bytes.slice(2)}`],
    ['a length that lies', `6a20${bytes.slice(2)}`],
    ['a longer push form', `6a4c20${bytes}`],
    ['something behind', `6a20${bytes}00`],
    ['upper case', `6A20${bytes}`],
    ['nothing', ''],
  ])('are not in a script with %s', (_, script) => {
    expect(signalBytesOf(script)).toBeNull();
  });
});
