// The published JSON Schemas, checked with the few words of the language that they use.
import { readFileSync } from 'node:fs';

const folder = new URL('../../docs/schemas/', import.meta.url);
const loaded = new Map();

function load(name) {
  if (!loaded.has(name)) loaded.set(name, JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8')));
  return loaded.get(name);
}

const TYPES = {
  object: v => v !== null && typeof v === 'object' && !Array.isArray(v),
  array: Array.isArray,
  string: v => typeof v === 'string',
  integer: Number.isSafeInteger,
  number: v => typeof v === 'number',
  boolean: v => typeof v === 'boolean',
  null: v => v === null,
};

/** The path of the first thing in `value` that a published schema refuses, or null. */
export const misfit = (name, value) => check(load(name), value, name);

function check(schema, value, path) {
  const any = schema.anyOf ?? schema.oneOf;
  if (any) return any.some(option => check(option, value, path) === null) ? null : path;
  if (schema.type && !TYPES[schema.type](value)) return path;
  if ('const' in schema && value !== schema.const) return path;
  if (schema.enum && !schema.enum.includes(value)) return path;
  if (value < schema.minimum || value > schema.maximum) return path;
  if (schema.type === 'string') {
    if (value.length < schema.minLength || value.length > schema.maxLength) return path;
    return schema.pattern && !new RegExp(schema.pattern, 'u').test(value) ? path : null;
  }
  if (schema.type === 'array') {
    if (value.length < schema.minItems || value.length > schema.maxItems) return path;
    return first(value, (item, i) => check(schema.prefixItems?.[i] ?? schema.items ?? {}, item, `${path}.${i}`));
  }
  if (schema.type !== 'object') return null;
  const missing = (schema.required ?? []).find(key => !Object.hasOwn(value, key));
  if (missing) return `${path}.${missing}`;
  return first(Object.keys(value), key => {
    const inner = schema.properties?.[key] ?? schema.additionalProperties ?? {};
    if (inner === false) return `${path}.${key}`;
    return check(schema.propertyNames ?? {}, key, `${path}.${key}`) ?? check(inner, value[key], `${path}.${key}`);
  });
}

function first(items, test) {
  for (const [i, item] of items.entries()) {
    const found = test(item, i);
    if (found !== null) return found;
  }
  return null;
}
