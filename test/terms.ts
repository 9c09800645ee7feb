/** The plain form of a beacon, which most tests are about; what a test is about it says itself. */
export const PLAIN_FORM = {
  type: 'SMTBeacon',
  financials: { enrolment: 0, per_announcement: 0 },
  flow: 'push',
  privacy: 'none',
  bit_order: 'spec',
  signal_output: 'last',
  policy: { type: 'keypath' },
  admission: 'open',
  unproven_dids: false,
} as const;
