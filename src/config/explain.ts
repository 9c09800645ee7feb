import { z } from 'zod';
import { isRecord } from '../nostr/json.ts';
import type { ConfigProblem } from './error.ts';
import { schemasAt } from './schema.ts';

const number = new Intl.NumberFormat('en-US');

const UNITS: readonly (readonly [RegExp, string])[] = [
  [/\.poll_ms$/, ' of milliseconds'],
  [/\.(interval|min_interval|expires_in)$|\.latency\./, ' of seconds'],
  [/\.(fee_cap|enrolment|per_announcement)$/, ' of satoshis'],
];

const unitOf = (key: string): string => UNITS.find(([pattern]) => pattern.test(key))?.[1] ?? '';

const oneOf = (values: readonly string[]): string =>
  values.length === 1 ? `"${values[0]}"` : `one of ${values.map(value => `"${value}"`).join(', ')}`;

function allowed(schema: z.core.$ZodType, key: string): string {
  if (schema instanceof z.ZodNumber) {
    const { minValue, maxValue } = schema;
    const range = `from ${number.format(minValue ?? 0)} to ${number.format(maxValue ?? Number.MAX_SAFE_INTEGER)}`;
    return `a whole number${unitOf(key)} ${range}`;
  }
  if (schema instanceof z.ZodBoolean) return 'true or false';
  if (schema instanceof z.ZodEnum) return oneOf(schema.options.map(String));
  if (schema instanceof z.ZodLiteral) return oneOf([...schema.values].map(String));
  if (schema instanceof z.ZodArray) return `a list; each entry ${allowed(schema.element, key)}`;
  if (schema instanceof z.ZodObject) return `a table with the keys ${Object.keys(schema.shape).join(', ')}`;
  if (schema instanceof z.ZodString && schema.maxLength !== null)
    return `text of ${number.format(schema.minLength ?? 0)} to ${number.format(schema.maxLength)} characters`;
  return 'text';
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const key of path)
    at = typeof at === 'object' && at !== null && Object.hasOwn(at, key) ? Reflect.get(at, key) : undefined;
  return at;
}

/** Numbers and kinds only: a text could be a secret that stands in the wrong place. */
function got(value: unknown): string {
  if (value === undefined) return ' (it is missing)';
  if (typeof value === 'number' || typeof value === 'boolean') return `, not ${value}`;
  if (typeof value === 'string') return value === '' ? ', not empty' : ', not another text';
  if (Array.isArray(value)) return ', not a list like this one';
  return value instanceof Date ? ', not a date' : ', not a table';
}

/** How many letters have to change, come or go to make one word of the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}

/** The known word that was probably meant; null if none is near. */
export function nearest(word: string, known: Iterable<string>): string | null {
  let best: string | null = null;
  let least = Math.min(3, Math.ceil(word.length / 3)) + 1;
  for (const candidate of known) {
    const needed = distance(word.toLowerCase(), candidate.toLowerCase());
    if (needed < least) [best, least] = [candidate, needed];
  }
  return best;
}

const dotted = (path: readonly PropertyKey[]): string =>
  path.map((key, i) => (typeof key === 'number' ? `[${key}]` : i === 0 ? String(key) : `.${String(key)}`)).join('');

/** Keys that choose between tables. */
const CHOOSERS = ['backend', 'type'];

interface KnownKeys {
  /** Of the table that was chosen; of all, where none was. */
  known: string[];
  /** Of the tables that were not chosen. */
  elsewhere: string[];
  /** What chose it, such as `type = "keypath"`. */
  chosen: string;
}

/** Keys that the tables at a place know; of a choice of tables, those of the one that its `backend` or `type` chose. */
function knownKeys(path: readonly PropertyKey[], raw: unknown): KnownKeys {
  const tables = schemasAt(path).filter(schema => schema instanceof z.ZodObject);
  const keysOf = (some: typeof tables): string[] => [...new Set(some.flatMap(({ shape }) => Object.keys(shape)))];
  for (const name of CHOOSERS) {
    const value = String(valueAt(raw, [...path, name]));
    const fitting = tables.filter(({ shape }) => {
      const choice = shape[name];
      return choice instanceof z.ZodLiteral && choice.values.has(value);
    });
    if (fitting.length > 0)
      return { known: keysOf(fitting), elsewhere: keysOf(tables), chosen: `${name} = "${value}"` };
  }
  return { known: keysOf(tables), elsewhere: [], chosen: '' };
}

/** Says in plain words what is wrong with a value and which values are allowed; never quotes a text. */
export function explain(issue: z.core.$ZodIssue, raw: unknown): ConfigProblem[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    const { known, elsewhere, chosen } = knownKeys(path, raw);
    return issue.keys.map(key => {
      if (elsewhere.includes(key))
        return { key: dotted([...path, key]), text: `does not go with ${chosen} (known there: ${known.join(', ')})` };
      const meant = nearest(key, known);
      const hint = meant === null ? '' : `; did you mean ${meant}?`;
      return { key: dotted([...path, key]), text: `unknown key${hint} (known here: ${known.join(', ')})` };
    });
  }
  const key = dotted(path);
  if (issue.code === 'custom' || issue.code === 'invalid_format') return [{ key, text: issue.message }];
  const value = valueAt(raw, path);
  if (issue.code === 'invalid_union' && isRecord(value)) return [{ key, text: issue.message }];
  const choices = [...new Set(schemasAt(path).map(schema => allowed(schema, key)))];
  return [{ key, text: `has to be ${choices.join(' or ')}${got(value)}` }];
}
