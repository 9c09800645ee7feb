import {
  type Beacon,
  type CohortState,
  type Env,
  type Input,
  keysAwaited,
  listingDids,
  movableOutputs,
  successionStage,
} from '../cohort/index.ts';
import type { SuccessionSummary } from '../operator/succession-api.ts';
import { shortId } from '../operator/terminal.ts';

const beaconOf = ({ phase }: CohortState): Beacon | null => (phase.name === 'formed' ? phase.beacon : null);

/** Cohorts whose successor was formed since they were told: cohorts know nothing of one another by themselves. */
export function formedSuccessors(states: readonly CohortState[]): { cohort: string; input: Input }[] {
  return states.flatMap(state => {
    const successor = beaconOf(state)?.succession?.successor;
    const next = successor?.beacon_address === null && states.find(({ id }) => id === successor.cohort);
    const formed = next && beaconOf(next);
    return formed ? [{ cohort: state.id, input: { type: 'successor_formed', beacon_address: formed.address } }] : [];
  });
}

/** How far the end of a cohort is, and what it waits for, for its operator. Null for one that is not formed. */
export function successionSummary(
  state: CohortState,
  states: readonly CohortState[],
  env: Env,
): SuccessionSummary | null {
  const beacon = beaconOf(state);
  if (!beacon) return null;
  const { succession, departures, keys_deleted } = beacon;
  const next = succession?.successor && states.find(({ id }) => id === succession.successor?.cohort);
  const stage = succession ? (successionStage(state, beacon, env) ?? succession.stage) : null;
  const money = env.chain
    ? movableOutputs(state, env.chain).map(({ txid, vout, value_sats }) => ({
        outpoint: `${txid}:${vout}`,
        value_sats,
      }))
    : null;
  const listing = listingDids(beacon).map(({ did, member }) => ({ did, member, update_waits: beacon.ready.has(did) }));
  const summary: SuccessionSummary = {
    cohort: state.id,
    advert_id: state.advert.terms.id,
    beacon_address: beacon.address,
    stage,
    deadline: succession?.deadline ?? null,
    text: succession?.text ?? null,
    successor: next
      ? {
          cohort: next.id,
          advert_id: next.advert.terms.id,
          phase: next.phase.name,
          beacon_address: beaconOf(next)?.address ?? null,
          seats: { taken: next.seats.size, ...next.advert.terms.cohort_size },
        }
      : null,
    members: beacon.participant_pubkeys.map(member => ({
      participant_pk: member,
      departure: departures.get(member) ?? null,
      key_deleted: keys_deleted.has(member),
    })),
    listing,
    unknown_dids: [...beacon.registry.values()].filter(({ known }) => known === null).length,
    money,
    waits_for: [],
    next: [],
  };
  return { ...summary, ...stepsOf(summary, beacon) };
}

/** What a stage waits for, and what its operator can do. */
function stepsOf(summary: SuccessionSummary, beacon: Beacon): Pick<SuccessionSummary, 'waits_for' | 'next'> {
  const { stage, advert_id, successor, listing, members } = summary;
  const isGone = members.some(({ departure }) => departure === 'gone');
  switch (stage) {
    case null: {
      const going = members.filter(({ departure }) => departure !== null);
      return {
        waits_for: going.map(({ participant_pk, departure }) => `${shortId(participant_pk)} is ${departure}`),
        next: going.length > 0 ? [`cohort succeed ${advert_id} --advert ADVERT`, `cohort dissolve ${advert_id}`] : [],
      };
    }
    case 'forming':
      return {
        waits_for: successor
          ? [
              `${successor.advert_id} to form: ${successor.seats.taken} of at least ${successor.seats.min} seats are taken`,
            ]
          : [],
        next: successor ? [`advert export ${successor.advert_id}`] : [],
      };
    case 'updating': {
      const missing = listing.filter(({ update_waits }) => !update_waits);
      return {
        waits_for: [
          ...(beacon.round ? [`round ${beacon.round.number} to end`] : []),
          ...missing.map(({ did, member }) => `an update of ${did}, which ${shortId(member)} holds`),
          ...(missing.length === 0 && !beacon.round ? ['the last signal to open'] : []),
          ...(summary.money?.length === 0 && !beacon.round
            ? [`a deposit at ${summary.beacon_address}: the last signal pays its own fee`]
            : []),
        ],
        // A round announces at least one update.
        next: beacon.round
          ? [`round list ${advert_id}`]
          : listing.length > missing.length
            ? [`round open ${advert_id}`]
            : [],
      };
    }
    case 'moving':
      return {
        waits_for: beacon.spend
          ? [`every member to sign the ${beacon.spend.purpose}`]
          : ['the money to move, six blocks deep: once for each output'],
        next: [
          successor?.beacon_address ? `spend move ${advert_id}` : `spend move ${advert_id} ADDRESS`,
          `spend list ${advert_id}`,
        ],
      };
    case 'deleting':
      return {
        waits_for: [
          ...(isGone ? ['DIDs to leave by the beacons under their own keys'] : []),
          ...keysAwaited(beacon).map(member => `${shortId(member)} to delete its cohort key`),
        ],
        next: [],
      };
    default:
      return { waits_for: [], next: [`export ${advert_id} --out FOLDER`] };
  }
}
