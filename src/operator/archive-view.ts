import type { ExportSummary, verifyArchive } from './archive.ts';
import { plural, safeText } from './terminal.ts';

type Judged = Awaited<ReturnType<typeof verifyArchive>>[number];

/** Whether a file of an archive proves all that it holds. */
export const isProven = ({ verdict }: Judged): boolean => verdict !== null && verdict.problems.length === 0;

/** The answer to `archive verify`. */
export const archiveView = (judged: readonly Judged[]): string =>
  judged.map(each => `${linesOf(each).map(safeText).join('\n')}\n`).join('');

function linesOf({ file, verdict, text }: Judged): string[] {
  if (verdict === null) return [`${file}: ${text ?? 'cannot be read'}`];
  const { signals, leaves, updates, unknown_updates, problems, beacon_address } = verdict;
  const held = `${plural(signals, 'signal')}, ${plural(leaves, 'leaf', 'leaves')}, ${plural(updates, 'update')}`;
  if (problems.length > 0)
    return [`${file}: ${plural(problems.length, 'problem')} in ${held}`, ...problems.map(problem => `  ${problem}`)];
  const lacks = unknown_updates === 0 ? '' : `; ${plural(unknown_updates, 'update')} known by hash alone`;
  return [`${file}: all of it proves: ${held} of ${beacon_address}${lacks}`];
}

/** The answer to `export`. */
export function exportView({ folder, files }: ExportSummary): string {
  const lines =
    files.length === 0
      ? [`No cohort was ever formed: ${folder} holds nothing to prove.`]
      : [
          ...files.map(({ file, records }) => `Wrote ${file} (${plural(records, 'record')})`),
          `Check it anywhere: btcr2-aggregator archive verify ${folder}`,
        ];
  return `${lines.map(safeText).join('\n')}\n`;
}
