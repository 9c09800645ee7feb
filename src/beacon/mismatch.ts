/** Says what is wrong between the announcement found in a signal and the one submitted for it. */
export function wrongAnnouncement(found: string | null, submitted: string | null): string {
  if (found === null) return 'the submitted update is not in the signal';
  if (submitted === null) return 'the signal announces an update that was not submitted';
  return 'the signal announces another update than the submitted one';
}
