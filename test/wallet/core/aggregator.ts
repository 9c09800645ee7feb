import type { Transcript } from '../../../src/blame/index.ts';
import {
  type Beacon,
  type CohortEvent,
  type CohortState,
  decide,
  type Env,
  evolve,
  type Input,
  type Stored,
} from '../../../src/cohort/index.ts';
import { fromHex } from '../../../src/crypto/index.ts';
import { type DidDocument, encodeDid } from '../../../src/did/index.ts';
import { type Envelope, readTerms, type Terms } from '../../../src/messages/index.ts';
import { draw, drawHex, publicHex, xOnly } from '../../cohort/members.ts';
import { PLAIN_FORM } from '../../terms.ts';
import { type Advert, roundTrip, scriptOf, sealed, type World } from './wallet.ts';

/** The terms of a cohort named `name`, whose keys are made of its name. */
export function advertOf(name: string, changes: Partial<Terms> = {}): Advert & { transportSecret: Uint8Array } {
  const transportSecret = draw(`transport key of aggregator ${name}`);
  const identity = draw(`identity of aggregator ${name}`);
  const content: Terms = {
    v: 1,
    id: name,
    ...PLAIN_FORM,
    cohort_size: { min: 2, max: 2 },
    btc_network: 'regtest',
    frequency: { interval: 86_400, min_interval: 3_600, pending_updates: 1 },
    latency: { cohort_set: 600, presence: 60, nonce: 600, signature: 600 },
    dids: { min: 0, max: 10 },
    funder: 'anyone',
    fee_cap: 2_000,
    communication: ['nip44_v2'],
    transport_key: xOnly(transportSecret),
    return_address: `nostr:nprofile1${name}`,
    aggregator_did: encodeDid({
      version: 1,
      network: 'regtest',
      kind: 'key',
      genesisBytes: fromHex(publicHex(identity)),
    }),
    ...changes,
  };
  const read = readTerms(JSON.stringify(content));
  if (!read.ok) throw new Error(`${read.field}: ${read.text}`);
  const { terms, terms_hash } = read;
  return { cohort: drawHex(`advert event ${name}`), terms, terms_hash, identity: xOnly(identity), transportSecret };
}

/** An aggregator's shell in memory, for one cohort. */
export interface Aggregator {
  readonly advert: Advert;
  readonly transportSecret: Uint8Array;
  readonly beacon: Beacon;
  readonly script: string;
  /** Not delivered yet. */
  mail: Envelope[];
  /** Evidence of misbehaviour. */
  readonly kept: Transcript[];
  receive(envelope: Envelope): void;
  /** The operator begins a spend; why it cannot, if it cannot. */
  spend(asked: Omit<Extract<Input, { type: 'start_spend' }>, 'type'>): string | null;
  advance(): void;
  /** What its resolver finds when it checks who controls a DID. */
  readonly documents: Map<string, { document: DidDocument; version: number }>;
}

export function newAggregator(world: World, name: string, changes: Partial<Terms> = {}): Aggregator {
  const { transportSecret, ...advert } = advertOf(name, changes);
  const { terms, terms_hash, cohort, identity } = advert;
  let state: CohortState | null = null;
  let inputs = 0;
  let seq = 0;

  function once(input: Input): number {
    const done = tried(input);
    return typeof done === 'string' ? 0 : done;
  }

  /** How many events it came to, or why it was dropped. */
  function tried(input: Input): number | string {
    const env: Env = { now: world.now, entropy: drawHex(`${name} entropy ${inputs++}`), chain: view() };
    const decision = decide(state, input, env);
    if ('drop' in decision) return decision.drop;
    for (const event of decision.events) {
      const stored: Stored<CohortEvent> = roundTrip({ ...event, at: world.now });
      state = evolve(state, stored);
    }
    for (const effect of decision.effects) {
      if (effect.type === 'broadcast') world.chain.submit(effect.hex);
      if (effect.type === 'keep_evidence') self.kept.push(roundTrip(effect.transcript));
      if (effect.type !== 'send') continue;
      const { to, message, session, in_reply_to } = effect;
      self.mail.push(
        sealed(
          { secret: transportSecret },
          {
            message,
            to,
            cohort,
            seq: seq++,
            created_at: world.now,
            ...(session === undefined ? {} : { session }),
            ...(in_reply_to === undefined ? {} : { in_reply_to }),
          },
        ),
      );
    }
    return decision.events.length;
  }

  const view = () => (state?.phase.name === 'formed' ? world.chain.view(state.phase.beacon.script_hex) : null);

  const self: Aggregator = {
    advert,
    transportSecret,
    get beacon() {
      if (state?.phase.name !== 'formed') throw new Error(`the cohort is ${state?.phase.name}`);
      return state.phase.beacon;
    },
    get script() {
      return scriptOf(self.beacon.address, terms);
    },
    mail: [],
    kept: [],
    documents: new Map(),
    receive(envelope) {
      once({ type: 'message', envelope, admission: { invites: [], allowlist: [] } });
      self.advance();
    },
    spend(asked) {
      const done = tried({ type: 'start_spend', ...asked });
      return typeof done === 'string' ? done : null;
    },
    advance() {
      while (once({ type: 'advance' }) > 0);
      const checks = state?.phase.name === 'formed' ? [...state.phase.beacon.checks.values()] : [];
      for (const { request_id, did } of checks) {
        const found = self.documents.get(did);
        once({
          type: 'control_checked',
          request_id,
          result: found ? { ok: true, ...found, deactivated: false } : { ok: false, text: 'unknown' },
        });
        self.advance();
      }
    },
  };
  once({ type: 'create', cohort, terms, terms_hash, identity, expires_at: world.now + 86_400 });
  return self;
}
