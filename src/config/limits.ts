/** What strangers and members may cost where nothing is configured. */
export const DEFAULT_LIMITS = {
  strangers_per_minute: 120,
  strangers_per_relay: 60,
  refusals_per_minute: 60,
  member_per_minute: 1_200,
  member_mb_per_day: 1_000,
};
