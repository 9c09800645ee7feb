import { z } from 'zod';
import { NETWORKS, type Network } from '../bitcoin/network.ts';
import { MAX_ENTRIES } from '../messages/opportunity.ts';
import { policyProblem } from '../messages/policy.ts';
import { isRecord } from '../nostr/json.ts';
import type { ConfigProblem } from './error.ts';
import { advertSchema } from './schema.ts';

/** Reads a value of the raw configuration by its dotted key; undefined where there is none. */
export function at(raw: unknown, key: string): unknown {
  let value = raw;
  for (const part of key.split('.')) value = isRecord(value) && Object.hasOwn(value, part) ? value[part] : undefined;
  return value;
}

/** What bounds a fallback policy; a value of a wrong type takes part in no pair. */
const { policy, cohort_size, fee_cap, latency } = advertSchema.shape;
const frame = z.object({ policy, cohort_size, fee_cap, latency });

const isNetwork = (name: unknown): name is Network => NETWORKS.some(known => known === name);

const PHASES = ['cohort_set', 'presence', 'nonce', 'signature'];

/**
 * Values that are fine by themselves and impossible together. Looks at the raw configuration, so that these problems
 * are told in the same breath as wrong types; a value of a wrong type takes part in no pair.
 */
export function impossiblePairs(raw: unknown): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const refuse = (key: string, text: string): void => void problems.push({ key, text });
  const number = (key: string): number => {
    const value = at(raw, key);
    return typeof value === 'number' ? value : Number.NaN;
  };
  const isGiven = (key: string): boolean => at(raw, key) !== undefined;

  function ordered(low: string, high: string): void {
    if (number(low) > number(high))
      refuse(low, `has to be at most ${high}, which is ${number(high)}, not ${number(low)}`);
  }
  ordered('advert.cohort_size.min', 'advert.cohort_size.max');
  ordered('advert.dids.min', 'advert.dids.max');
  ordered('advert.frequency.min_interval', 'advert.frequency.interval');

  const pollMs = number('chain.poll_ms');
  for (const phase of PHASES) {
    const key = `advert.latency.${phase}`;
    if (number(key) * 1000 < pollMs)
      refuse(
        key,
        `has to be at least the ${pollMs / 1000} s of chain.poll_ms: the deadline would pass between two looks`,
      );
  }

  const network = at(raw, 'network');
  const mainnet = at(raw, 'mainnet');
  if (network === 'bitcoin' && mainnet === false)
    refuse('mainnet', 'has to be true for network = "bitcoin": that is real money, and has to be meant');
  if (mainnet === true && typeof network === 'string' && network !== 'bitcoin')
    refuse('mainnet', 'has to be false, or left out, for any network but "bitcoin"');
  if (network === 'bitcoin' && at(raw, 'advert.signal_output') === 'first')
    refuse(
      'advert.signal_output',
      'has to be "last" on mainnet: no resolver sees a signal whose OP_RETURN is not last',
    );

  const isBlinded = at(raw, 'advert.privacy') === 'blinded';
  const isCas = at(raw, 'advert.type') === 'CASBeacon';
  if (isBlinded && isCas)
    refuse(
      'advert.privacy',
      'has to be "none" for advert.type = "CASBeacon": a map names every DID, only a tree can be blinded',
    );
  if (isBlinded && at(raw, 'advert.flow') === 'push')
    refuse(
      'advert.privacy',
      'has to be "none" for advert.flow = "push": in a blinded tree every leaf changes with every signal, so members are asked (flow = "pull")',
    );
  if (isBlinded && number('advert.financials.per_announcement') > 0)
    refuse(
      'advert.financials.per_announcement',
      'has to be 0 for advert.privacy = "blinded": nobody can count the announcements of a blinded tree',
    );
  if (at(raw, 'advert.flow') === 'pull' && number('advert.dids.max') > MAX_ENTRIES)
    refuse(
      'advert.dids.max',
      `has to be at most ${MAX_ENTRIES} for advert.flow = "pull": one answer tells of all DIDs of a member`,
    );
  if (isCas && at(raw, 'advert.bit_order') === 'lsb')
    refuse(
      'advert.bit_order',
      'has to be "spec" for advert.type = "CASBeacon": lsb is about trees, and a map has none',
    );
  const fallback = frame.safeParse(at(raw, 'advert'));
  const wrong =
    fallback.success && isNetwork(network) ? policyProblem({ ...fallback.data, btc_network: network }) : null;
  if (wrong) refuse(`advert.${wrong.field}`, wrong.text);
  const communication = at(raw, 'advert.communication');
  if (Array.isArray(communication) && new Set(communication).size < communication.length)
    refuse('advert.communication', 'has to name each scheme once');

  if (at(raw, 'chain.backend') === 'bitcoind') {
    const hasCookie = isGiven('chain.cookie_file');
    const hasUser = isGiven('chain.user');
    const passwords = ['chain.password', 'chain.password_file'].filter(isGiven);
    if (hasCookie && (hasUser || passwords.length > 0))
      refuse('chain.cookie_file', 'has to stand alone: either cookie_file, or user and password (or password_file)');
    else if (passwords.length > 1) refuse('chain.password', 'has to stand alone: either password or password_file');
    else if (hasUser && passwords.length === 0)
      refuse('chain.password', 'is missing: user needs password or password_file');
    else if (!hasUser && passwords.length > 0) refuse('chain.user', 'is missing: a password needs a user');
    else if (!hasCookie && !hasUser)
      refuse('chain.cookie_file', 'is missing: bitcoind needs cookie_file, or user and password (or password_file)');
  }
  if (isGiven('relays') && isGiven('relays_file')) refuse('relays', 'has to stand alone: either relays or relays_file');

  const isEmpty = (key: string): boolean => {
    const value = at(raw, key);
    return Array.isArray(value) && value.length === 0;
  };
  const admission = at(raw, 'advert.admission');
  if (admission === 'allowlist' && isEmpty('admission.allowlist'))
    refuse('admission.allowlist', 'is empty, but advert.admission is "allowlist": nobody could join');
  if (admission === 'invite' && isEmpty('admission.invites') && !isGiven('admission.invites_file'))
    refuse('admission.invites', 'is empty, but advert.admission is "invite": nobody could join');
  return problems;
}
