import * as rfc6902 from 'rfc6902';
import { describe, expect, it } from 'vitest';
import { applyPatch, type DidDocument, DidError, type Patch } from '../../src/did/index.ts';

const document = {
  '@context': ['a', 'b'],
  id: 'did:btcr2:x',
  service: [{ id: '#0' }, { id: '#1' }, { id: '#2' }],
  note: { 'a/b': 1, 'm~n': 2, '': 3, list: [[1], [2]], none: null },
} as unknown as DidDocument;

const refusal = (patch: unknown): unknown => {
  try {
    applyPatch(document, patch);
  } catch (error) {
    return error instanceof DidError ? error.code : error;
  }
  return 'nothing thrown';
};

describe('RFC 6902', () => {
  const good: [string, Patch][] = [
    ['add a member', [{ op: 'add', path: '/new', value: { a: 1 } }]],
    ['add over a member', [{ op: 'add', path: '/note', value: 1 }]],
    ['add null', [{ op: 'add', path: '/new', value: null }]],
    ['insert into an array', [{ op: 'add', path: '/service/1', value: { id: '#x' } }]],
    ['append by index', [{ op: 'add', path: '/service/3', value: { id: '#x' } }]],
    ['append by -', [{ op: 'add', path: '/service/-', value: { id: '#x' } }]],
    ['remove a member', [{ op: 'remove', path: '/note' }]],
    ['remove an element', [{ op: 'remove', path: '/service/0' }]],
    ['remove null', [{ op: 'remove', path: '/note/none' }]],
    ['replace', [{ op: 'replace', path: '/service/2/id', value: '#y' }]],
    ['replace null', [{ op: 'replace', path: '/note/none', value: 1 }]],
    [
      'escaped tokens',
      [
        { op: 'remove', path: '/note/a~1b' },
        { op: 'remove', path: '/note/m~0n' },
      ],
    ],
    ['the empty name', [{ op: 'replace', path: '/note/', value: 4 }]],
    ['move', [{ op: 'move', from: '/note/list', path: '/list' }]],
    ['move within an array', [{ op: 'move', from: '/service/0', path: '/service/2' }]],
    ['move onto itself', [{ op: 'move', from: '/note/list', path: '/note/list' }]],
    ['copy', [{ op: 'copy', from: '/service/0', path: '/service/-' }]],
    ['test', [{ op: 'test', path: '/note/list', value: [[1], [2]] }]],
    ['test null', [{ op: 'test', path: '/note/none', value: null }]],
    ['replace the whole document', [{ op: 'replace', path: '', value: { id: 'did:btcr2:x' } }]],
    [
      'write inside an added value',
      [
        { op: 'add', path: '/n', value: ['a'] },
        { op: 'add', path: '/n/-', value: 'b' },
      ],
    ],
  ];
  it.each(good)('%s, as another implementation does', (_, patch) => {
    const expected = patch[0]!.path === '' ? { id: 'did:btcr2:x' } : structuredClone(document);
    if (patch[0]!.path !== '') rfc6902.applyPatch(expected, structuredClone(patch) as rfc6902.Operation[]);
    const before = [JSON.stringify(document), JSON.stringify(patch)];
    expect(applyPatch(document, patch)).toEqual(expected);
    expect([JSON.stringify(document), JSON.stringify(patch)]).toEqual(before);
  });

  it('moves to where the target stands after the removal', () => {
    expect(applyPatch(document, [{ op: 'move', from: '/service/0', path: '/service/1/was' }])).toMatchObject({
      service: [{ id: '#1' }, { id: '#2', was: { id: '#0' } }],
    });
  });

  it('ignores members that an operation does not define', () => {
    expect(applyPatch(document, [{ op: 'remove', path: '/note', value: 1, comment: 'x' }])).not.toHaveProperty('note');
  });

  it('shares nothing with what it was given', () => {
    const value = { a: [1] };
    const result = applyPatch(document, [{ op: 'add', path: '/new', value }]) as {
      new: typeof value;
      service: object[];
    };
    expect(result.new).not.toBe(value);
    expect(result.service[0]).not.toBe(document.service?.[0]);
  });
});

describe('a patch that fails anywhere fails as a whole', () => {
  const bad: [string, unknown][] = [
    ['no list', { op: 'remove', path: '/note' }],
    ['an unknown operation', [{ op: 'merge', path: '/note', value: 1 }]],
    ['no path', [{ op: 'remove' }]],
    ['no value', [{ op: 'add', path: '/new' }]],
    ['no from', [{ op: 'copy', path: '/new' }]],
    ['a path without slash', [{ op: 'remove', path: 'note' }]],
    ['a bad escape', [{ op: 'add', path: '/a~2', value: 1 }]],
    ['a missing member', [{ op: 'remove', path: '/absent' }]],
    ['a missing parent', [{ op: 'add', path: '/absent/x', value: 1 }]],
    ['replacing what is not there', [{ op: 'replace', path: '/absent', value: 1 }]],
    ['an index past the end', [{ op: 'add', path: '/service/4', value: 1 }]],
    ['replacing past the end', [{ op: 'replace', path: '/service/3', value: 1 }]],
    ['replacing the element after the last', [{ op: 'replace', path: '/service/-', value: 1 }]],
    ['removing the element after the last', [{ op: 'remove', path: '/service/-' }]],
    ['an index with a leading zero', [{ op: 'remove', path: '/service/01' }]],
    ['a negative index', [{ op: 'remove', path: '/service/-1' }]],
    ['the length of an array', [{ op: 'remove', path: '/service/length' }]],
    ['copying the length of an array', [{ op: 'copy', from: '/service/length', path: '/n' }]],
    ['an inherited member', [{ op: 'remove', path: '/note/toString' }]],
    ['a character of a string', [{ op: 'copy', from: '/id/0', path: '/n' }]],
    ['a member of a string', [{ op: 'add', path: '/id/x', value: 1 }]],
    ['a member of null', [{ op: 'add', path: '/note/none/x', value: 1 }]],
    ['moving into itself', [{ op: 'move', from: '/note', path: '/note/x' }]],
    ['moving to an index past the end', [{ op: 'move', from: '/note/list', path: '/service/4' }]],
    ['removing the whole document', [{ op: 'remove', path: '' }]],
    ['a failed test', [{ op: 'test', path: '/note/none', value: 0 }]],
    [
      'a failed test after a change',
      [
        { op: 'remove', path: '/note' },
        { op: 'test', path: '/note', value: 1 },
      ],
    ],
    ['a test of what is not there', [{ op: 'test', path: '/absent', value: null }]],
    ['a value that is no JSON', [{ op: 'add', path: '/n', value: { a: undefined } }]],
    ['another id', [{ op: 'replace', path: '/id', value: 'did:btcr2:y' }]],
    ['no id', [{ op: 'remove', path: '/id' }]],
    ['another document', [{ op: 'add', path: '', value: [] }]],
    ['a path to the prototype', [{ op: 'add', path: '/__proto__/polluted', value: true }]],
    ['a path to a constructor', [{ op: 'add', path: '/note/constructor/x', value: true }]],
    ['a from to a prototype', [{ op: 'copy', from: '/prototype', path: '/x' }]],
    ['a value with a prototype', [{ op: 'add', path: '/n', value: JSON.parse('{"__proto__":{"polluted":true}}') }]],
    [
      'an escaped way to the prototype',
      [
        { op: 'add', path: '/note', value: 1 },
        { op: 'add', path: '/__proto__', value: {} },
      ],
    ],
  ];
  it.each(bad)('%s', (_, patch) => {
    expect(refusal(patch)).toBe('INVALID_DID_UPDATE');
    expect({}).not.toHaveProperty('polluted');
  });

  it('names the operation', () => {
    const patch = [
      { op: 'test', path: '/id', value: 'did:btcr2:x' },
      { op: 'remove', path: '/absent' },
    ];
    expect(() => applyPatch(document, patch)).toThrow(expect.objectContaining({ detail: { field: 'patch.1' } }));
  });

  it('stops copies that double the document without end', () => {
    const patch = Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '/note', path: `/note/copy${i}` }));
    expect(refusal(patch)).toBe('INVALID_DID_UPDATE');
  });
});
