import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addressToScript } from '../bitcoin/index.ts';
import type { Resolution, Sidecar } from '../did/index.ts';
import type { RoundDetail } from '../operator/api.ts';
import type { CohortView, DidView } from '../wallet/api.ts';
import { didFile, outputFolder } from './files.ts';
import type { BeaconForm, DemoOptions } from './options.ts';
import { choose } from './plan.ts';
import { run } from './processes.ts';
import type { Progress } from './progress.ts';
import type { Member, World } from './world.ts';

const FINAL = 6;
const FEE_CAP = 2_000;
const DEPOSIT = 100_000;

interface OwnedDid {
  did: string;
  /** The version that it must resolve to in the end. */
  version: number;
}

/** The whole story, from the advert to the resolved documents; throws at the first thing that is not as it must be. */
export async function show(world: World, options: DemoOptions, progress: Progress): Promise<void> {
  const { members, node } = world;
  const { form } = options;
  const write = outputFolder(options.out);
  const { say, step } = progress;

  step('B1–B2  The aggregator advertises a beacon');
  const advert = await world.aggregator('advertCreate', {
    cohort_size: { min: members.length, max: members.length },
    frequency: { interval: 3_600, min_interval: 0, pending_updates: 1_000 },
    fee_cap: FEE_CAP,
    dids: { min: 0, max: options.dids + 1 },
    ...form,
  });
  const found = await discover(members[0]!);
  write('advert.json', found.event);
  say(
    `${nameOfForm(form)} advert ${advert.advert_id}, kind ${found.event.kind}, read back from the relay and verified`,
  );

  step('A2, B3–B5  The wallets opt in and make an address together');
  const cohort = advert.cohort;
  await Promise.all(
    members.map(async member => {
      await member.call('join', { advert: (await discover(member)).advert });
      await member.call('ready', [cohort]);
    }),
  );
  const formed = await world.aggregator('cohortShow', { cohort });
  const address = formed.beacon_address!;
  const script = addressToScript(address, 'regtest');
  write('cohort.json', {
    network: 'regtest',
    beacon_type: formed.terms.type,
    bit_order: formed.terms.bit_order,
    participant_pubkeys: formed.members.map(member => member.participant_pk).sort(),
    beacon_address: address,
    output_script_hex: script,
  });
  say(`${members.length} of ${members.length} members signed the set: ${address}`);
  const deposit = await node.fund(address, DEPOSIT);
  await node.mine(FINAL);
  say(`funded with ${DEPOSIT} sat by ${deposit.txid.slice(0, 16)}…, ${FINAL} confirmations`);

  step('A5, B6  Every wallet makes DIDs that name the beacon, and registers them');
  const owned: OwnedDid[][] = await Promise.all(
    members.map(async member => {
      const mine: OwnedDid[] = [];
      for (let i = 0; i < options.dids; i++) mine.push(await newDid(member, cohort, form));
      return mine;
    }),
  );
  const known = form.privacy === 'none' ? 'control of each proven' : 'by their hashes alone';
  say(`${owned.flat().length} DIDs registered, ${known}`);

  for (let round = 1; round <= options.rounds; round++) {
    step(`C4, D1–D6  Round ${round}`);
    await playRound(world, cohort, round, options, owned, progress);
    const detail = await world.aggregator('roundShow', { cohort, round });
    write(`rounds/${round}.json`, await roundFile(world, detail, address, script));
    if (round === 1 && options.rounds > 1) {
      await Promise.all(members.map(async (member, i) => owned[i]!.push(await newDid(member, cohort, form))));
      const past = form.type === 'CASBeacon' ? 'the map' : 'a proof of an empty index';
      say(`each wallet made one further DID; it got ${past} for the signal before it`);
    }
  }

  step('E  Every DID is resolved in a fresh process, from its sidecar and the chain alone');
  const transactions = await world.chain.history(address);
  write('chain.json', {
    tip: (await world.chain.tip()).height,
    transactions: transactions.map(({ txid, hex, height, mediantime }) => ({ txid, hex, height, mediantime })),
  });
  await resolveAll(world, owned, options, write, progress);
}

async function discover(member: Member) {
  for (let i = 0; i < 20; i++) {
    const [view] = await member.call('discover', [{ seconds: 3, all: true }]);
    if (view) return { ...view, event: view.advert.event, terms: view.advert.terms };
  }
  throw new Error(`${member.name} finds no advert`);
}

const nameOfForm = ({ type, privacy, flow, bit_order }: BeaconForm): string =>
  [
    privacy === 'blinded' ? 'blinded' : '',
    type,
    flow === 'pull' ? 'with the pull flow' : '',
    bit_order === 'lsb' ? 'in the bit order of older software' : '',
  ]
    .filter(part => part !== '')
    .join(' ');

async function newDid(member: Member, cohort: string, { privacy }: BeaconForm): Promise<OwnedDid> {
  const { did } = await member.call('createDid', [{ kind: 'x', cohort }]);
  const { proven } = await member.call('register', [{ did, cohort }]);
  // Whoever holds only the hash of a DID has nothing to check a proof by.
  if (!proven && privacy === 'none') throw new Error(`${did} was registered without proof of control`);
  return { did, version: 1 };
}

async function playRound(
  world: World,
  cohort: string,
  round: number,
  options: DemoOptions,
  owned: OwnedDid[][],
  { say }: Progress,
): Promise<void> {
  const chosen = choose(round, options);
  await Promise.all(
    chosen.map(async ([wallet, index]) => {
      const own = owned[wallet]![index]!;
      const uri = `https://example.com/round-${round}/${index}`;
      const service = { id: `#round-${round}`, type: 'LinkedDomains', serviceEndpoint: uri };
      const patch = [{ op: 'add', path: '/service/-', value: service }];
      const { version } = await world.members[wallet]!.call('update', [{ did: own.did, patch, cohorts: [cohort] }]);
      own.version = version;
    }),
  );
  const { flow } = options.form;
  const done = flow === 'push' ? 'sent a signed update' : 'have a signed update, to be asked for';
  say(`${chosen.length} of ${owned.flat().length} DIDs ${done}`);
  await watch('a round opens', async () => (await world.aggregator('roundOpen', { cohort })).opened);
  const sent = await watch('the signal is broadcast', async () => {
    const [detail] = (await world.aggregator('roundList', { cohort })).filter(known => known.round === round);
    return detail?.txid && detail.status !== 'completed' && detail.height === null && detail.stage === 'announced'
      ? detail
      : null;
  });
  say(`all ${world.members.length} members checked and signed: ${sent.txid} is in the mempool`);
  await world.node.mine(FINAL);
  await watch('the signal is final for the aggregator', async () => {
    const detail = await world.aggregator('roundShow', { cohort, round });
    return detail.stage === 'closed' && detail.height !== null;
  });
  await Promise.all(
    world.members.map(member =>
      watch(`the signal is final for ${member.name}`, async () => {
        const { cohorts, dids } = await member.call('status', []);
        return isFinal(cohorts, sent.txid!) && dids.every(isSettled);
      }),
    ),
  );
  say(`${FINAL} confirmations; every wallet saw them on its own node connection`);
}

const isFinal = (cohorts: CohortView[], txid: string): boolean =>
  cohorts.some(({ signals }) => signals.some(signal => signal.txid === txid && signal.status === 'final'));

const isSettled = ({ updates, beacons }: DidView): boolean =>
  updates.every(update => update.state === 'final') && beacons.every(beacon => beacon.missing_proofs === 0);

async function watch<T>(what: string, look: () => Promise<T | null | false | undefined>): Promise<T> {
  const end = Date.now() + 60_000;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`waited a minute in vain until ${what}`);
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

async function roundFile(world: World, detail: RoundDetail, address: string, script: string): Promise<unknown> {
  const mined = await world.chain.tx(detail.txid!, address);
  if (!mined || mined.confirmations < FINAL) throw new Error(`signal ${detail.txid} has not ${FINAL} confirmations`);
  const { txid, vout, value_sats } = detail.outpoint!;
  return {
    session_id: detail.session_id,
    txid: detail.txid,
    hex: mined.hex,
    prevouts: [{ txid, vout, value_sats, script_hex: script }],
    signal_bytes: detail.signal_bytes,
    block_hash: mined.block_hash,
    height: mined.height,
    confirmations: mined.confirmations,
  };
}

/** Two at a time: there are two cores. */
async function resolveAll(
  world: World,
  owned: OwnedDid[][],
  { dids, form }: DemoOptions,
  write: (name: string, value: unknown) => void,
  { say }: Progress,
): Promise<void> {
  const waiting = owned.flatMap((mine, i) =>
    mine.map((own, j) => ({ ...own, member: world.members[i]!, late: j >= dids })),
  );
  const total = waiting.length;
  let most = 0;
  const order = form.bit_order === 'lsb' ? ['--bit-order', 'lsb'] : [];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { did, version, member } = next;
      const sidecar = (await member.call('sidecar', [did])) as Sidecar;
      const file = join(world.dir, `${member.name}-${version}-${did.slice(-12)}.json`);
      writeFileSync(file, JSON.stringify(sidecar), { mode: 0o600 });
      const resolved = JSON.parse(
        await run('resolve', 'wallet/main.js', [
          ...['resolve', did, '--sidecar', file, '--min-conf', String(FINAL)],
          ...['--esplora', world.node.esploraUrl, '--json', ...order],
        ]),
      ) as Resolution;
      if (resolved.versionId !== String(version))
        throw new Error(`${did} resolves to version ${resolved.versionId}, not ${version}`);
      most = Math.max(most, version);
      write(didFile(member.name, did), { did, sidecar, document: resolved.document, version_id: resolved.versionId });
    }
  };
  await Promise.all([worker(), worker()]);
  say(`${total} of ${total} DIDs resolve at ${FINAL} confirmations, the newest at version ${most}`);
}
