import { z } from 'zod';
import { BODIES } from './bodies.ts';
import { envelopeHeader } from './envelope.ts';
import { termsSchema } from './terms.ts';

type Json = Record<string, unknown>;

const envelope = envelopeHeader.extend({ type: z.enum(Object.keys(BODIES)) });

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
