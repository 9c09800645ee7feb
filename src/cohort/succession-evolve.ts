import type { CohortEvent, Stored } from './events.ts';
import type { Beacon } from './state.ts';

export type SuccessionEvent = Extract<
  Stored<CohortEvent>,
  {
    type:
      | 'member_leaving'
      | 'member_marked'
      | 'succession_begun'
      | 'successor_formed'
      | 'succession_moved'
      | 'key_deleted';
  }
>;

/** What happens to members that go, and to a cohort that ends. */
export function evolveSuccession(beacon: Beacon, event: SuccessionEvent): Beacon {
  const told = { ...beacon, statuses_told: beacon.statuses_told + 1 };
  switch (event.type) {
    case 'member_leaving':
      beacon.departures.set(event.participant_pk, 'leaving');
      return told;
    case 'member_marked':
      if (event.gone) beacon.departures.set(event.participant_pk, 'gone');
      else beacon.departures.delete(event.participant_pk);
      return told;
    case 'succession_begun': {
      const { successor, deadline, text, stage } = event;
      return { ...told, succession: { successor, deadline, text, stage } };
    }
    case 'successor_formed': {
      const { succession } = beacon;
      if (!succession?.successor) throw new Error('successor_formed without a successor');
      const successor = { ...succession.successor, beacon_address: event.beacon_address };
      return { ...beacon, succession: { ...succession, successor } };
    }
    case 'succession_moved':
      if (!beacon.succession) throw new Error('succession_moved without a succession');
      return { ...told, succession: { ...beacon.succession, stage: event.stage } };
    case 'key_deleted':
      beacon.keys_deleted.add(event.participant_pk);
      return beacon;
  }
}
