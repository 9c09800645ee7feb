import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { BODIES, type Envelope } from '../../src/messages/index.ts';
import { makeVectors, type Vectors } from './vectors.ts';

const folder = new URL('../vectors/protocol/', import.meta.url);
const text = (json: object): string => `${JSON.stringify(json, null, 1)}\n`;

let files: Vectors;
let scenes: Record<string, Envelope[]>;
beforeAll(async () => {
  ({ files, scenes } = await makeVectors());
  if (process.env.BTCR2_WRITE_VECTORS)
    for (const [name, json] of Object.entries(files)) writeFileSync(new URL(name, folder), text(json));
}, 180_000);

test('the vectors are made again byte for byte (BTCR2_WRITE_VECTORS=1 writes them)', () => {
  expect(
    readdirSync(folder)
      .filter(name => name.endsWith('.json'))
      .sort(),
  ).toEqual(Object.keys(files).sort());
  for (const [name, json] of Object.entries(files))
    expect(readFileSync(new URL(name, folder), 'utf8') === text(json), `${name} is not what the code makes`).toBe(true);
});

test('every type of message is among them', () => {
  const seen = new Set(Object.values(scenes).flatMap(scene => scene.map(envelope => envelope.type)));
  expect(Object.keys(BODIES).filter(type => !seen.has(type as Envelope['type']))).toEqual([]);
});
