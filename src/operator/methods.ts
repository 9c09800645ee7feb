import { z } from 'zod';
import { explain } from '../config/explain.ts';
import { impossiblePairs } from '../config/pairs.ts';
import { advertSchema } from '../config/schema.ts';
import type { Config } from '../config.ts';
import { rawTransaction } from '../messages/fields.ts';
import { MAX_ENVELOPE, SPEND_PURPOSES } from '../messages/index.ts';
import { isRecord } from '../nostr/json.ts';
import { type AggregatorApi, OperatorError } from './api.ts';
import type { ControlMethods } from './control.ts';

const name = z.string().min(1).max(100);
const nothing = z.strictObject({}).nullish();
const cohort = z.strictObject({ cohort: name });
const eventId = z.string().regex(/^[0-9a-f]{64}$/, 'is the id of an event');
const composeRequest = z.strictObject({
  cohort: name,
  form: z.enum(['encrypted', 'plain']),
  all: z.boolean().optional(),
  member: name.optional(),
  message: name.optional(),
});

/** A message that is delivered by hand has to fit a request, its quotes escaped; only the owner can connect. */
export const OPERATOR_LIMITS = { requestChars: 2 * MAX_ENVELOPE + 1_024 } as const;

const spendRequest = z.strictObject({
  cohort: name,
  purpose: z.enum(SPEND_PURPOSES),
  to: name.optional(),
  outpoint: z
    .strictObject({
      txid: z.string().regex(/^[0-9a-f]{64}$/, 'a transaction id is 64 hex digits'),
      vout: z.int().min(0).max(0xffff_ffff),
      value_sats: z
        .int()
        .min(1)
        .max(21_000_000 * 100_000_000),
    })
    .optional(),
});

const endRequest = z.strictObject({
  cohort: name,
  advert: name.optional(),
  deadline_in: z
    .int()
    .min(0)
    .max(365 * 86_400)
    .optional(),
  text: z
    .string()
    .max(500)
    .regex(/^\P{Cc}*$/u, 'text without control characters')
    .optional(),
});

function take<T>(schema: z.ZodType<T>, params: unknown): T {
  const parsed = schema.safeParse(params);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new OperatorError('invalid_params', `${path.join('.') || 'params'}: ${message}`);
}

/** Chosen terms over the configured ones, also inside `cohort_size`, `frequency` and the like. */
function overlay(standard: unknown, chosen: unknown): unknown {
  if (!isRecord(standard) || !isRecord(chosen)) return chosen === undefined ? standard : chosen;
  // Another policy has other keys: nothing of the configured one is left in it.
  if (chosen.type === 'keypath' && standard.type === 'fallback') return chosen;
  const keys = new Set([...Object.keys(standard), ...Object.keys(chosen)]);
  return Object.fromEntries([...keys].map(key => [key, overlay(standard[key], chosen[key])]));
}

/**
 * The terms of a new advert: what is chosen over what is configured. Held to the same rules as the configuration, since
 * the wire knows terms that this version does not serve. Throws OperatorError `invalid_terms` with all that is wrong.
 */
export function chooseTerms(config: Config, chosen: Readonly<Record<string, unknown>>): Config['advert'] {
  const advert = overlay(config.advert, chosen);
  const { network, mainnet, admission, chain } = config;
  const raw = { network, mainnet, admission, chain: { poll_ms: chain.poll_ms }, advert };
  const parsed = advertSchema.safeParse(advert);
  const issues = parsed.success
    ? []
    : parsed.error.issues.flatMap(issue => explain({ ...issue, path: ['advert', ...issue.path] }, raw));
  const problems = [...issues, ...impossiblePairs(raw)];
  if (!parsed.success || problems.length > 0) {
    const text = problems.map(problem => `${problem.key.replace(/^advert\./, '')}: ${problem.text}`).join('; ');
    throw new OperatorError('invalid_terms', text);
  }
  return parsed.data;
}

/** The operator's requests as the control socket serves them: every parameter is checked before the daemon sees it. */
export function controlMethods(api: AggregatorApi, config: Config): ControlMethods {
  const methods: Record<keyof AggregatorApi, (params: unknown) => Promise<unknown>> = {
    async status(params) {
      take(nothing, params);
      return api.status();
    },
    async advertCreate(params) {
      const { id, ...chosen } = take(z.looseObject({ id: name.optional() }), params ?? {});
      const terms = chooseTerms(config, chosen);
      return api.advertCreate({ ...terms, ...(id === undefined ? {} : { id }) });
    },
    async advertList(params) {
      take(nothing, params);
      return api.advertList();
    },
    advertClose: async params =>
      api.advertClose(take(z.strictObject({ advert: name, status: z.enum(['closed', 'cancelled']) }), params)),
    advertExport: async params => api.advertExport(take(z.strictObject({ advert: name }), params)),
    async compose(params) {
      const { all, member, message, ...rest } = take(composeRequest, params);
      return api.compose({
        ...rest,
        ...(all === undefined ? {} : { all }),
        ...(member === undefined ? {} : { member }),
        ...(message === undefined ? {} : { message }),
      });
    },
    composed: async params => api.composed(take(z.strictObject({ events: z.array(eventId).max(1_000_000) }), params)),
    deliver: async params => api.deliver(take(z.strictObject({ text: z.string().max(MAX_ENVELOPE) }), params)),
    async cohortList(params) {
      take(nothing, params);
      return api.cohortList();
    },
    cohortShow: async params => api.cohortShow(take(cohort, params)),
    roundList: async params => api.roundList(take(cohort, params)),
    roundShow: async params =>
      api.roundShow(take(z.strictObject({ cohort: name, round: z.int().min(0).max(1_000_000_000) }), params)),
    alarmClear: async params => api.alarmClear(take(z.strictObject({ cohort: name, alarm: name }), params)),
    backup: async params => api.backup(take(z.strictObject({ file: z.string().startsWith('/').max(4_096) }), params)),
    archiveExport: async params =>
      api.archiveExport(
        take(z.strictObject({ cohort: name.optional(), folder: z.string().startsWith('/').max(4_096) }), params),
      ),
    roundOpen: async params => api.roundOpen(take(cohort, params)),
    spendList: async params => api.spendList(take(cohort, params)),
    spendStart: async params => api.spendStart(take(spendRequest, params)),
    cohortEnd: async params => api.cohortEnd(take(endRequest, params)),
    cohortSuccession: async params => api.cohortSuccession(take(cohort, params)),
    memberMark: async params =>
      api.memberMark(take(z.strictObject({ cohort: name, member: name, gone: z.boolean() }), params)),
    recoveryOffer: async params => api.recoveryOffer(take(z.strictObject({ cohort: name, to: name }), params)),
    recoverySend: async params => api.recoverySend(take(z.strictObject({ cohort: name, hex: rawTransaction }), params)),
    evidenceList: async params => {
      const asked = take(z.strictObject({ cohort: name.optional() }), params ?? {});
      return api.evidenceList(asked.cohort === undefined ? {} : { cohort: asked.cohort });
    },
    evidenceExport: async params =>
      api.evidenceExport(take(z.strictObject({ id: z.int().min(0).max(Number.MAX_SAFE_INTEGER) }), params)),
  };
  return methods;
}
