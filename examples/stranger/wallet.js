#!/usr/bin/env node
// A small wallet for members of did:btcr2 cohorts, written from docs/PROTOCOL.md alone. README.md says how to run it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { schnorr } from '@noble/curves/secp256k1.js';
import { readAdvert, unfit } from './advert.js';
import { bitcoind } from './bitcoin.js';
import { hex } from './bytes.js';
import { member } from './member.js';
import { connect } from './relays.js';
import { openStore } from './store.js';

const USAGE = `Usage: wallet.js --home DIR --relay URL … --bitcoind URL --cookie FILE --advert ID [options]

Joins the cohort of an advert, registers a DID that lists its beacon, and answers rounds until SIGTERM.
Started again with the same folder it goes on where it was. Every line that it prints is JSON.

  --advert ID       the id (tag d) of the advert, or of its cohort
  --network NAME    regtest unless told
  --invite CODE     invitation code, where the advert asks for one
  --patch JSON      a JSON Patch: an update of the DID, announced once
  --help            this text
`;

const { values: options } = parseArgs({
  options: {
    home: { type: 'string' },
    relay: { type: 'string', multiple: true, default: [] },
    bitcoind: { type: 'string' },
    cookie: { type: 'string' },
    advert: { type: 'string' },
    network: { type: 'string', default: 'regtest' },
    invite: { type: 'string' },
    patch: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const complete = options.home && options.relay.length > 0 && options.bitcoind && options.cookie && options.advert;
if (options.help || !complete) {
  process.stdout.write(USAGE);
  process.exit(options.help ? 0 : 2);
}

const now = () => Math.floor(Date.now() / 1000);
const tell = (event, data = {}) => process.stdout.write(`${JSON.stringify({ event, ...data })}\n`);
const secret = () => hex(schnorr.utils.randomSecretKey());

const { state, save, close } = await openStore(options.home, {
  // A cohort key is drawn at random and never used again; nor is the transport key.
  keys: { transport: secret(), cohort: secret(), did: secret() },
  advert: null,
  phase: 'new',
  relays: options.relay,
  invite: options.invite,
  seq: 0,
  cursor: 0,
  sets: {},
  set: null,
  challenge: null,
  dids: [],
  sessions: {},
  waiting: {},
  firstSeq: {},
  outbox: [],
  inbox: [],
  seen: {},
});

let me = null;
const relays = connect(options.relay, (id, events, stored) => {
  if (id === 'adverts' && me === null) discover(events);
  if (id === 'messages') me.take(events, stored);
});

function discover(events) {
  const offers = events.map(event => readAdvert(event, now())).filter(offer => typeof offer === 'object');
  const found = offers.filter(({ terms, cohort }) => terms.id === options.advert || cohort === options.advert);
  const newest = found.sort((a, b) => b.event.created_at - a.event.created_at)[0];
  if (!newest) return;
  if (found.some(offer => offer.aggregator !== newest.aggregator)) return tell('ambiguous', { advert: options.advert });
  const why = unfit(newest, options.network, now());
  if (why) return tell('unfit', { why });
  state.advert = newest.event; // kept: whatever is published later, these are the terms
  start();
}

function start() {
  const advert = readAdvert(state.advert, state.advert.created_at);
  const writeSidecar = (did, sidecar) => {
    const file = join(options.home, `${did.replaceAll(':', '_')}.sidecar.json`);
    writeFileSync(file, JSON.stringify(sidecar, null, 2));
    tell('sidecar', { did, file });
  };
  const chain = bitcoind(options.bitcoind, options.cookie);
  const patch = options.patch ? JSON.parse(options.patch) : null;
  me = member({ advert, state, save, chain, publish: relays.publish, tell, writeSidecar, patch, now });
  tell('member', { transport: me.self, cohort: advert.cohort, phase: state.phase });
  relays.subscribe('messages', me.filter);
  tick();
}

let timer;
async function tick() {
  await me.work();
  timer = setTimeout(tick, 1000);
}

if (state.advert) start();
else relays.subscribe('adverts', { kinds: [38252], '#t': ['did-btcr2'] });

for (const signal of ['SIGTERM', 'SIGINT'])
  process.once(signal, () => {
    clearTimeout(timer);
    relays.close();
    save();
    close();
    process.exit(0);
  });
