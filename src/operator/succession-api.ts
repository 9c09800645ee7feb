/** What the operator asks about a cohort that changes or ends. Every answer is how it stands then. */
export interface SuccessionApi {
  /**
   * Ends a cohort, with the one of another advert as its successor or with none; `deadline_in` seconds from now its last
   * signal goes out, also without the updates of those who have sent none. May be asked again, as to name a successor.
   */
  cohortEnd(request: {
    cohort: string;
    advert?: string | undefined;
    deadline_in?: number | undefined;
    text?: string | undefined;
  }): Promise<SuccessionSummary>;
  cohortSuccession(request: { cohort: string }): Promise<SuccessionSummary>;
  /** Holds a member (cohort or transport key, or a unique beginning) for gone, or no longer. */
  memberMark(request: { cohort: string; member: string; gone: boolean }): Promise<SuccessionSummary>;
}

export interface SuccessionSummary {
  cohort: string;
  advert_id: string;
  beacon_address: string;
  /** forming, updating, moving, deleting or over; null for a cohort that goes on. */
  stage: string | null;
  /** When the last signal goes out whatever is missing, Unix seconds. */
  deadline: number | null;
  text: string | null;
  successor: {
    cohort: string;
    advert_id: string;
    phase: string;
    beacon_address: string | null;
    seats: { taken: number; min: number; max: number };
  } | null;
  members: { participant_pk: string; departure: 'leaving' | 'gone' | null; key_deleted: boolean }[];
  /** DIDs whose newest known document lists the beacon. */
  listing: { did: string; member: string; update_waits: boolean }[];
  /** How many DIDs are registered whose documents are not known here. */
  unknown_dids: number;
  /** Outputs of the beacon that are worth moving; null while the chain was not read. */
  money: { outpoint: string; value_sats: number }[] | null;
  /** What it takes to go on, in words. */
  waits_for: string[];
  /** What the operator can do now, as commands; nothing where others are waited for. */
  next: string[];
}
