import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { protocolSchemas } from '../dist/messages/json-schema.js';

const folder = fileURLToPath(new URL('../docs/schemas/', import.meta.url));
const schemas = protocolSchemas();
for (const name of readdirSync(folder)) if (!Object.hasOwn(schemas, name)) rmSync(`${folder}${name}`);
for (const [name, schema] of Object.entries(schemas))
  writeFileSync(`${folder}${name}`, `${JSON.stringify(schema, null, 2)}\n`);
process.stdout.write(`docs/schemas: ${Object.keys(schemas).length} schemas\n`);
