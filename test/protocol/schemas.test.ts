import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
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
