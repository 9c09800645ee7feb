import { type CohortEvent, type CohortState, decide, type Env, evolve, type Input } from '../../src/cohort/index.ts';
import type { DidDocument } from '../../src/did/index.ts';
import type { Envelope } from '../../src/messages/index.ts';
import type { Advert } from '../../src/nostr/advert.ts';
import { drawHex } from '../cohort/members.ts';
import { roundTrip, sealed, type World } from '../wallet/core/wallet.ts';

/** An aggregator's shell in memory, for the cohort of a real advert event. Nothing in it is random. */
export interface Aggregator {
  readonly state: CohortState;
  mail: Envelope[];
  /** What its resolver finds when it checks who controls a DID. */
  readonly documents: Map<string, { document: DidDocument; version: number }>;
  receive(envelope: Envelope): void;
  feed(input: Input): void;
}

export function newAggregator(world: World, advert: Advert, transportSecret: Uint8Array): Aggregator {
  const { terms, terms_hash, cohort, identity, expires_at } = advert;
  let state: CohortState | null = null;
  let inputs = 0;
  let seq = 0;

  function once(input: Input): number {
    const chain = state?.phase.name === 'formed' ? world.chain.view(state.phase.beacon.script_hex) : null;
    const env: Env = { now: world.now, entropy: drawHex(`${terms.id} entropy ${inputs++}`), chain };
    const decision = decide(state, input, env);
    if ('drop' in decision) return 0;
    for (const event of decision.events)
      state = evolve(state, roundTrip<CohortEvent & { at: number }>({ ...event, at: world.now }));
    for (const effect of decision.effects) {
      if (effect.type === 'broadcast') world.chain.submit(effect.hex);
      if (effect.type !== 'send') continue;
      const { type: _, ...letter } = effect;
      self.mail.push(sealed({ secret: transportSecret }, { ...letter, cohort, seq: seq++, created_at: world.now }));
    }
    return decision.events.length;
  }

  function advance(): void {
    while (once({ type: 'advance' }) > 0);
    const checks = state?.phase.name === 'formed' ? [...state.phase.beacon.checks.values()] : [];
    for (const { request_id, did } of checks) {
      const found = self.documents.get(did);
      once({
        type: 'control_checked',
        request_id,
        result: found ? { ok: true, ...found, deactivated: false } : { ok: false, text: 'unknown' },
      });
      advance();
    }
  }

  const self: Aggregator = {
    get state() {
      return state!;
    },
    mail: [],
    documents: new Map(),
    receive: envelope => self.feed({ type: 'message', envelope, admission: { invites: [], allowlist: [] } }),
    feed(input) {
      once(input);
      advance();
    },
  };
  once({ type: 'create', cohort, terms, terms_hash, identity, expires_at });
  return self;
}
