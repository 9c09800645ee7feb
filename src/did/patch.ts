import { z } from 'zod';
import type { DidDocument } from './document.ts';
import { DidError } from './errors.ts';
import { copyJson, jcs } from './jcs.ts';

/** Longest document that a patch may produce, in characters of canonical JSON; a few `copy` operations could double it without end. */
export const MAX_DOCUMENT_LENGTH = 1_048_576;

const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype']);
const ARRAY_INDEX = /^(?:0|[1-9][0-9]{0,8})$/;

const pointer = z
  .string()
  .regex(/^(?:\/(?:[^~/]|~[01])*)*$/, 'not a JSON Pointer')
  .refine(path => !tokensOf(path).some(token => FORBIDDEN.has(token)), 'a path through the prototype');
const jsonValue = z.custom<unknown>(value => value !== undefined, 'value is missing');

/** RFC 6902 has other members of an operation ignored, so they are let through. */
const operation = z.discriminatedUnion('op', [
  z.looseObject({ op: z.literal('add'), path: pointer, value: jsonValue }),
  z.looseObject({ op: z.literal('remove'), path: pointer }),
  z.looseObject({ op: z.literal('replace'), path: pointer, value: jsonValue }),
  z.looseObject({ op: z.literal('move'), from: pointer, path: pointer }),
  z.looseObject({ op: z.literal('copy'), from: pointer, path: pointer }),
  z.looseObject({ op: z.literal('test'), path: pointer, value: jsonValue }),
]);

/** A JSON Patch (RFC 6902) whose paths are JSON Pointers (RFC 6901) that stay clear of prototypes. */
export const patchSchema = z.array(operation);

export type PatchOperation = z.infer<typeof operation>;
export type Patch = PatchOperation[];

/** The patch that deactivates a DID (chapter Deactivate). */
export const DEACTIVATE: Patch = [{ op: 'add', path: '/deactivated', value: true }];

/**
 * The document that a JSON Patch makes of another one, sharing nothing with either; the inputs stay as they are.
 * All or nothing: throws INVALID_DID_UPDATE, naming the operation, if the patch is malformed, a path does not exist,
 * a `test` fails, an array index is no index, the id changes, or the result outgrows {@link MAX_DOCUMENT_LENGTH}.
 * Whether the result is a valid DID document is for the caller to check.
 */
export function applyPatch(document: DidDocument, patch: unknown): unknown {
  const parsed = patchSchema.safeParse(patch);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new DidError('INVALID_DID_UPDATE', `malformed patch: ${issue?.message}`, {
      field: ['patch', ...(issue?.path ?? [])].join('.'),
    });
  }
  let root: unknown = copyJson(document);
  parsed.data.forEach((step, index) => {
    try {
      root = applyOne(root, step);
      if (step.op === 'copy' && jcs(root).length > MAX_DOCUMENT_LENGTH)
        throw new TypeError('the document outgrows its bound');
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      throw new DidError('INVALID_DID_UPDATE', cause.message, { field: `patch.${index}` }, { cause });
    }
  });
  if (!isObject(root) || root.id !== document.id)
    throw new DidError('INVALID_DID_UPDATE', 'the patch changes the id', { did: document.id, field: 'patch' });
  return root;
}

function applyOne(root: unknown, step: PatchOperation): unknown {
  switch (step.op) {
    case 'add':
      return insert(root, step.path, copyJson(step.value));
    case 'remove':
      return remove(root, step.path);
    case 'replace':
      return replace(root, step.path, copyJson(step.value));
    case 'move': {
      if (step.path.startsWith(`${step.from}/`)) throw new TypeError('a value cannot be moved into itself');
      const value = read(root, step.from);
      return insert(remove(root, step.from), step.path, value);
    }
    case 'copy':
      return insert(root, step.path, copyJson(read(root, step.from)));
    case 'test':
      if (jcs(read(root, step.path)) !== jcs(step.value)) throw new TypeError(`test failed at ${step.path}`);
      return root;
  }
}

const tokensOf = (path: string): string[] =>
  path
    .split('/')
    .slice(1)
    .map(token => token.replaceAll('~1', '/').replaceAll('~0', '~'));

/** The value that a pointer names; it must exist. */
const read = (root: unknown, path: string): unknown => tokensOf(path).reduce(member, root);

function member(parent: unknown, token: string): unknown {
  // Own members only: `/service/length` or `/toString` name nothing in JSON.
  if (Array.isArray(parent)) return parent[existingIndex(parent, token)];
  if (isObject(parent) && Object.hasOwn(parent, token)) return parent[token];
  throw new TypeError(`no member ${token}`);
}

function insert(root: unknown, path: string, value: unknown): unknown {
  if (path === '') return value;
  const { parent, token } = spotOf(root, path);
  if (Array.isArray(parent)) parent.splice(token === '-' ? parent.length : index(token, parent.length), 0, value);
  else parent[token] = value;
  return root;
}

function remove(root: unknown, path: string): unknown {
  if (path === '') throw new TypeError('the whole document cannot be removed');
  const { parent, token } = spotOf(root, path);
  member(parent, token);
  if (Array.isArray(parent)) parent.splice(existingIndex(parent, token), 1);
  else delete parent[token];
  return root;
}

function replace(root: unknown, path: string, value: unknown): unknown {
  if (path === '') return value;
  const { parent, token } = spotOf(root, path);
  member(parent, token);
  if (Array.isArray(parent)) parent[existingIndex(parent, token)] = value;
  else parent[token] = value;
  return root;
}

/** Where the last token of a pointer stands: in an array or object that must exist. */
function spotOf(root: unknown, path: string): { parent: unknown[] | Record<string, unknown>; token: string } {
  const tokens = tokensOf(path);
  const token = tokens.pop() ?? '';
  const parent = tokens.reduce(member, root);
  if (!Array.isArray(parent) && !isObject(parent)) throw new TypeError(`nothing can stand at ${path}`);
  return { parent, token };
}

const existingIndex = (items: readonly unknown[], token: string): number => index(token, items.length - 1);

function index(token: string, last: number): number {
  if (!ARRAY_INDEX.test(token) || Number(token) > last) throw new TypeError(`no array index ${token}`);
  return Number(token);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
