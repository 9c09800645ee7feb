import { z } from 'zod';
import { network, plainText, seconds, xOnlyKey } from '../messages/fields.ts';
import { termsPolicy } from '../messages/policy.ts';
import { termsSchema } from '../messages/terms.ts';

/** What of an advert is made by the daemon, and never configured. */
const { v, id, btc_network, transport_key, return_address, aggregator_did, proof, ...chosen } = termsSchema.shape;

/** As in the terms; there is one threshold only, so nobody has to write it. */
const policy = z.discriminatedUnion('type', [
  termsPolicy.options[0],
  termsPolicy.options[1].extend({ threshold: z.literal('n-1').default('n-1') }),
]);

/** The terms that an operator chooses, each by itself; which of them exclude each other is told by `impossiblePairs`. */
export const advertSchema = z.strictObject({ ...chosen, policy, expires_in: seconds.min(60) });

const path = z.string().min(1).max(4096);
const secret = z.string().min(1).max(1000);
const pollMs = z.int().min(100).max(3_600_000);

const httpUrl = z.string().refine(isPlainHttpUrl, 'has to be an http:// or https:// URL without user and password');

/** Whether a text is an http(s) URL that carries no login, which would end up in logs. */
export function isPlainHttpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return (protocol === 'http:' || protocol === 'https:') && username === '' && password === '';
}

const bitcoind = z.strictObject({
  backend: z.literal('bitcoind'),
  url: httpUrl,
  cookie_file: path.optional(),
  user: z.string().min(1).max(200).optional(),
  password: secret.optional(),
  password_file: path.optional(),
  wallet: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'has to be 1 to 64 letters, digits, dots, dashes, underscores'),
  poll_ms: pollMs,
});

const esplora = z.strictObject({ backend: z.literal('esplora'), url: httpUrl, poll_ms: pollMs });

/** The configuration as it is written, once defaults, file, environment and flags are laid over one another. */
export const settingsSchema = z.strictObject({
  network,
  mainnet: z.boolean(),
  state_dir: path,
  identity: z.strictObject({ key_file: path, passphrase_file: path.optional() }),
  relays: z.array(z.string()).optional(),
  relays_file: path.optional(),
  by_hand: z.boolean(),
  chain: z.discriminatedUnion('backend', [bitcoind, esplora]),
  advert: advertSchema,
  admission: z.strictObject({
    invites: z.array(plainText(200).min(1)).max(10_000),
    invites_file: path.optional(),
    allowlist: z.array(xOnlyKey).max(10_000),
  }),
  limits: z.strictObject({
    strangers_per_minute: z.int().min(1).max(100_000),
    strangers_per_relay: z.int().min(1).max(100_000),
    refusals_per_minute: z.int().min(1).max(100_000),
    member_per_minute: z.int().min(1).max(1_000_000),
    member_mb_per_day: z.int().min(1).max(1_000_000),
  }),
  profile: z.strictObject({ name: plainText(100).min(1), about: plainText(1000) }),
  cas: z.strictObject({ kubo_url: httpUrl.optional() }),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']), format: z.enum(['text', 'json']) }),
});

export type Settings = z.infer<typeof settingsSchema>;

/** Keys that name files: relative ones start at the folder of whatever names them. */
export const PATH_KEYS: readonly string[] = [
  'state_dir',
  'identity.key_file',
  'identity.passphrase_file',
  'relays_file',
  'chain.cookie_file',
  'chain.password_file',
  'admission.invites_file',
];

export type LeafKind = 'number' | 'boolean' | 'list' | 'text';

const unwrap = (schema: z.core.$ZodType): z.core.$ZodType =>
  schema instanceof z.ZodOptional || schema instanceof z.ZodDefault ? unwrap(schema.unwrap()) : schema;

function kindOf(schema: z.core.$ZodType): LeafKind {
  if (schema instanceof z.ZodNumber) return 'number';
  if (schema instanceof z.ZodBoolean) return 'boolean';
  return schema instanceof z.ZodArray ? 'list' : 'text';
}

function collectLeaves(given: z.core.$ZodType, prefix: string, found: Map<string, LeafKind>): Map<string, LeafKind> {
  const schema = unwrap(given);
  if (schema instanceof z.ZodDiscriminatedUnion)
    for (const option of schema.options) collectLeaves(option, prefix, found);
  else if (schema instanceof z.ZodObject)
    for (const [key, inner] of Object.entries(schema.shape))
      collectLeaves(inner, prefix === '' ? key : `${prefix}.${key}`, found);
  else found.set(prefix, kindOf(schema));
  return found;
}

/** Every key that can be set, dotted, with the kind of its value: what environment variables and flags are read by. */
export const LEAVES: ReadonlyMap<string, LeafKind> = collectLeaves(settingsSchema, '', new Map());

/** The schemas at a place of the configuration: one, or several where they depend on another key; none for an unknown key. */
export function schemasAt(path: readonly PropertyKey[], from: z.core.$ZodType = settingsSchema): z.core.$ZodType[] {
  const schema = unwrap(from);
  if (schema instanceof z.ZodDiscriminatedUnion) return schema.options.flatMap(option => schemasAt(path, option));
  const [head, ...rest] = path;
  if (head === undefined) return [schema];
  if (schema instanceof z.ZodArray) return schemasAt(rest, schema.element);
  if (!(schema instanceof z.ZodObject) || typeof head !== 'string' || !Object.hasOwn(schema.shape, head)) return [];
  return schemasAt(rest, schema.shape[head]);
}
