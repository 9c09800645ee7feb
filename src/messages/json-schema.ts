import { z } from 'zod';
import { BODIES } from './bodies.ts';
import { type Envelope, PROTOCOL_VERSION } from './envelope.ts';
import { hash32, schnorrSignature, timestamp, xOnlyKey } from './fields.ts';
import { termsSchema } from './terms.ts';

type Json = Record<string, unknown>;

const envelope = z.strictObject({
  v: z.literal(PROTOCOL_VERSION),
  id: hash32,
  type: z.enum(Object.keys(BODIES)),
  from: xOnlyKey,
  to: xOnlyKey,
  cohort: hash32,
  session: hash32.optional(),
  in_reply_to: hash32.optional(),
  seq: z.int().min(0),
  created_at: timestamp,
  body: z.record(z.string(), z.unknown()),
  sig: schnorrSignature,
} satisfies Record<keyof Envelope, z.ZodType>);

/** Control characters (Cc) in words that every validator knows: few read property escapes, which need Unicode mode. */
const PLAIN_TEXT = '^[^\\u0000-\\u001f\\u007f-\\u009f]*$';

function schemaOf(title: string, description: string, schema: z.ZodType): Json {
  const { $schema, ...rest } = z.toJSONSchema(schema, {
    io: 'input',
    override: ({ jsonSchema }) => {
      if (jsonSchema.pattern === '^\\P{Cc}*$') jsonSchema.pattern = PLAIN_TEXT;
    },
  });
  return { $schema, title, description, ...rest };
}

/**
 * The JSON Schemas (draft 2020-12) of the protocol by file name: the terms, the envelope, and the body of every message.
 * What ties fields to one another is not in them: docs/PROTOCOL.md says that.
 */
export function protocolSchemas(): Record<string, Json> {
  const bodies = Object.entries(BODIES).map(([type, schema]) => [
    `${type}.json`,
    schemaOf(type, `Body of a directed message of type ${type}.`, schema),
  ]);
  return {
    'terms.json': schemaOf('terms', 'Content of an advert event (kind 38252), version 1.', termsSchema),
    'envelope.json': schemaOf(
      'envelope',
      'A signed message, version 1; its type says which schema its body has.',
      envelope,
    ),
    ...Object.fromEntries(bodies),
  };
}
