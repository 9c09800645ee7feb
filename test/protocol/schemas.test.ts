import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { BODIES } from '../../src/messages/index.ts';
import { protocolSchemas } from '../../src/messages/json-schema.ts';

const folder = new URL('../../docs/schemas/', import.meta.url);

test('docs/schemas is what the code says; `npm run schemas` writes it', () => {
  const schemas = protocolSchemas();
  expect(Object.keys(schemas).sort()).toEqual(
    ['envelope', 'terms', ...Object.keys(BODIES)].map(n => `${n}.json`).sort(),
  );
  expect(readdirSync(folder).sort()).toEqual(Object.keys(schemas).sort());
  for (const [name, schema] of Object.entries(schemas))
    expect(JSON.stringify(JSON.parse(readFileSync(new URL(name, folder), 'utf8'))), name).toBe(JSON.stringify(schema));
});

test('schemas refuse what the code refuses: unknown properties everywhere', () => {
  for (const [name, schema] of Object.entries(protocolSchemas())) {
    const parts = [schema, ...((schema.oneOf ?? schema.anyOf ?? []) as object[])];
    expect(
      parts.some(part => 'additionalProperties' in part && part.additionalProperties === false),
      name,
    ).toBe(true);
  }
});

test('a validator that knows the schemas alone takes every vector, and nothing with one property more', () => {
  const vectors = new URL('../vectors/protocol/', import.meta.url);
  const read = new Map(
    readdirSync(folder).map(name => [
      name.replace('.json', ''),
      z.fromJSONSchema(JSON.parse(readFileSync(new URL(name, folder), 'utf8'))),
    ]),
  );
  const takes = (name: string, value: unknown) => read.get(name)!.safeParse(value).success;
  const judged = new Set<string>();
  for (const name of [
    'push-smt',
    'pull-cas',
    'blinded',
    'failures',
    'spends',
    'ends',
    'companion',
    'fallback',
    'refunds',
  ]) {
    const file = JSON.parse(readFileSync(new URL(`${name}.json`, vectors), 'utf8')) as {
      advert: { content: string };
      messages: { envelope: { type: string; body: object } }[];
    };
    expect(takes('terms', JSON.parse(file.advert.content))).toBe(true);
    for (const { envelope } of file.messages) {
      const { type, body } = envelope;
      expect([type, takes('envelope', envelope), takes(type, body)]).toEqual([type, true, true]);
      expect([type, takes(type, { ...body, more: 1 })]).toEqual([type, false]);
      judged.add(type);
    }
  }
  expect([...judged].sort()).toEqual(Object.keys(BODIES).sort());
});
