import { z } from 'zod';
import { NETWORKS } from '../../bitcoin/network.ts';
import { patchSchema } from '../../did/index.ts';
import { MAX_ENVELOPE } from '../../messages/index.ts';
import { readAdvert } from '../../nostr/advert.ts';
import type { ControlMethods } from '../../operator/control.ts';
import { Refused } from './command.ts';
import { complaintOf } from './faults.ts';
import type { WalletPort } from './port.ts';

/** Messages of a file, their quotes escaped, and patches of large documents have to fit a request; only the owner can connect. */
export const SOCKET_LIMITS = { requestChars: 2 * MAX_ENVELOPE + 1_024 } as const;

const text = z.string().max(1_000);
const advert = z.looseObject({ event: z.unknown() });
/** A name alone, or an object that holds it. */
const named = <K extends string>(key: K) =>
  z
    .union([text, z.looseObject({ [key]: text })])
    .transform(value => (typeof value === 'string' ? value : String(value[key])));

/** What signs in the caller's own process, and goes over no socket. */
type Signers = 'voucher' | 'didSigner';
/** Every member of a method's request: one that is left out here would be refused to whoever has a wallet running. */
type Shape<M extends keyof WalletPort> = WalletPort[M] extends (request: infer R, ...rest: never[]) => unknown
  ? { [K in Exclude<keyof NonNullable<R>, Signers>]-?: z.ZodType }
  : never;

const discoverQuery = z
  .strictObject({
    seconds: z.number().min(0).max(3_600),
    network: z.enum(NETWORKS),
    all: z.boolean(),
    events: z.array(z.unknown()),
    link: z.string().max(131_072),
  } satisfies Shape<'discover'>)
  .partial();
const joinRequest = z.strictObject({
  advert,
  invite: text.optional(),
  scheme: z.enum(['nip44_v2', 'nip04', 'nip59']).optional(),
  allowFallback: z.boolean().optional(),
} satisfies Shape<'join'>);
const didRequest = z.strictObject({
  kind: z.enum(['x', 'k']),
  cohort: text.optional(),
  name: text.optional(),
  singleton: z.boolean().optional(),
} satisfies Shape<'createDid'>);
const leaveRequest = z.union([
  text.transform(cohort => ({ cohort, force: false })),
  z.strictObject({ cohort: text, force: z.boolean().default(false) }),
]);
const refundsRequest = z.strictObject({
  cohort: text,
  send: z.boolean().optional(),
  ask: z.boolean().optional(),
} satisfies Shape<'refunds'>);
const successionRequest = z.strictObject({
  cohort: text,
  alone: z.boolean().optional(),
  deleteKey: z.boolean().optional(),
  abandon: z.boolean().optional(),
} satisfies Shape<'succession'>);
const exitRequest = z.strictObject({ cohort: text, feeCapSats: z.int().min(1).optional() } satisfies Shape<'exit'>);
const releaseRequest = z.strictObject({ cohort: text, to: text.nullable() } satisfies Shape<'release'>);
const registerRequest = z.strictObject({
  did: text,
  cohort: text,
  disclose: z.boolean().optional(),
} satisfies Shape<'register'>);
const viaSingleton = {
  via: z.literal('singleton').optional(),
  feeCapSats: z.int().min(1).optional(),
  cohorts: z.array(text).optional(),
};
const updateRequest = z.strictObject({
  did: text,
  patch: patchSchema,
  bare: z.boolean().optional(),
  afterRestore: z.boolean().optional(),
  ...viaSingleton,
} satisfies Shape<'update'>);
const publishRequest = z.strictObject({
  did: text,
  version: z.int().min(2).optional(),
  reveal: z.boolean().optional(),
} satisfies Shape<'publish'>);
const restoreRequest = z
  .strictObject({
    recovery: z.unknown(),
    sidecar: z.unknown(),
    did: text,
    name: text,
    index: z.int().min(0),
    scan: z.boolean(),
    fromRelays: z.boolean(),
  } satisfies Shape<'restore'>)
  .partial();
const companionOpenRequest = z.strictObject({ expiresIn: z.int().min(1).optional() } satisfies Shape<'companionOpen'>);
const companionPairRequest = z.strictObject({ link: z.string().max(10_000) } satisfies Shape<'companionPair'>);
const companionPolicyRequest = z.strictObject({
  feeCapSats: z.int().min(1).optional(),
  expiresAt: z.int().min(1).optional(),
} satisfies Shape<'companionPolicy'>);
const companionJoinRequest = z.strictObject({ advert } satisfies Shape<'companionJoin'>);
const companionWithdrawRequest = z.strictObject({
  did: text,
  announcement: text.optional(),
} satisfies Shape<'companionWithdraw'>);
const saveRequest = z.strictObject({ takeOver: z.boolean().optional() } satisfies Shape<'saveState'>);
const announceRequest = z.strictObject({
  did: text,
  announcement: text.optional(),
  ...viaSingleton,
} satisfies Shape<'announce'>);
const composeRequest = z.strictObject({
  form: z.enum(['encrypted', 'plain']),
  all: z.boolean().optional(),
  message: text.optional(),
  cohort: text.optional(),
} satisfies Shape<'compose'>);
const composedRequest = z.strictObject({ events: z.array(text).max(1_000_000) } satisfies Shape<'composed'>);
const deliverRequest = z.strictObject({
  text: z.string().max(MAX_ENVELOPE),
  stays: z.boolean(),
} satisfies Shape<'deliver'>);
const resolveRequest = z.strictObject({
  did: text,
  sidecar: z.unknown().optional(),
  versionId: text.optional(),
  versionTime: text.optional(),
  minConf: z.number().optional(),
  bitOrder: z.enum(['spec', 'lsb']).optional(),
  legacy: z.boolean().optional(),
} satisfies Shape<'resolve'>);

/** A missing member and one that is undefined are two things to a type, but not to a wallet. */
type Exact<T> = { [K in keyof T]: Exclude<T[K], undefined> };
const defined = <T extends object>(value: T): Exact<T> =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Exact<T>;

function take<T>(schema: z.ZodType<T>, params: unknown): T {
  const argument: unknown = Array.isArray(params) ? params[0] : params;
  const parsed = schema.safeParse(argument ?? {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new Refused('bad_params', `${issue.path.join('.') || 'the argument'}: ${issue.message}`);
}

function verifiedAdvert(event: unknown) {
  const read = readAdvert(event);
  if (!read.ok) throw new Refused('bad_params', `advert: ${read.reason}`);
  return read.advert;
}

/** Refusals keep their codes, in lower case as the socket has them; faults of the program itself stay faults. */
async function told<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const { fault } = complaintOf(error);
    throw fault.code === 'fault' ? error : new Refused(fault.code.toLowerCase(), fault.message);
  }
}

/**
 * The methods of a wallet's interfaces for a control socket. Parameters are the method's argument,
 * alone or in an array; `ready`, `leave`, `rebind`, `fundingAddress` and `sidecar` take the name itself or an object with it. Refusals have WalletError's codes, and those of
 * did:btcr2 in lower case. `ping` tells that the wallet is held; `tryResolve` is `resolve` with failures as values, which
 * keep their detail.
 */
export function walletMethods(port: WalletPort, facts: { pid: number; network: string }): ControlMethods {
  const methods: ControlMethods = {
    ping: async () => facts,
    discover: async params => port.discover(defined(take(discoverQuery, params))),
    join: async params => {
      const request = take(joinRequest, params);
      return port.join(defined({ ...request, advert: verifiedAdvert(request.advert.event) }));
    },
    ready: async params => port.ready(take(named('cohort'), params)),
    leave: async params => {
      const { cohort, force } = take(leaveRequest, params);
      return force ? port.leave(cohort, { force }) : port.leave(cohort);
    },
    refunds: async params => port.refunds(defined(take(refundsRequest, params))),
    succession: async params => port.succession(defined(take(successionRequest, params))),
    exit: async params => port.exit(defined(take(exitRequest, params))),
    rebind: async params => port.rebind(take(named('cohort'), params)),
    release: async params => port.release(take(releaseRequest, params)),
    createDid: async params => port.createDid(defined(take(didRequest, params))),
    register: async params => port.register(defined(take(registerRequest, params))),
    update: async params => port.update(defined(take(updateRequest, params))),
    announce: async params => port.announce(defined(take(announceRequest, params))),
    fundingAddress: async params => port.fundingAddress(take(named('did'), params)),
    publish: async params => port.publish(defined(take(publishRequest, params))),
    recovery: async () => port.recovery(),
    restore: async params => port.restore(defined(take(restoreRequest, params))),
    sidecar: async params => port.sidecar(take(named('did'), params)),
    resolve: async params => port.resolve(defined(take(resolveRequest, params))),
    tryResolve: async params => {
      const request = defined(take(resolveRequest, params));
      try {
        return { resolution: await port.resolve(request) };
      } catch (error) {
        return { error: complaintOf(error).fault };
      }
    },
    companionOpen: async params => port.companionOpen(defined(take(companionOpenRequest, params))),
    companionPair: async params => port.companionPair(take(companionPairRequest, params)),
    companionPolicy: async params => port.companionPolicy(defined(take(companionPolicyRequest, params))),
    companionJoin: async params =>
      port.companionJoin({ advert: verifiedAdvert(take(companionJoinRequest, params).advert.event) }),
    companionWithdraw: async params => port.companionWithdraw(defined(take(companionWithdrawRequest, params))),
    companionRevoke: async () => port.companionRevoke(),
    companionLost: async () => port.companionLost(),
    savedState: async () => port.savedState(),
    saveState: async params => port.saveState(defined(take(saveRequest, params))),
    forgetState: async () => port.forgetState(),
    trustCopy: () => told(() => port.trustCopy()),
    status: async () => port.status(),
    compose: async params => port.compose(defined(take(composeRequest, params))),
    composed: async params => port.composed(take(composedRequest, params)),
    deliver: async params => port.deliver(take(deliverRequest, params)),
  };
  return Object.fromEntries(
    Object.entries(methods).map(([name, run]) => [name, (params: unknown) => told(() => run(params))]),
  );
}
