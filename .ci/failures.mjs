// Prints what failed in a report of vitest: the file, the test, and the first lines of why. A hook that failed stands
// in the report as the message of its file, its tests as skipped.
import { readFileSync } from 'node:fs';

const print = line => process.stdout.write(`${line}\n`);
const LINES = 12;
const said = text =>
  text
    .split('\n')
    .slice(0, LINES)
    .map(line => `    ${line}`)
    .join('\n');

for (const { name, status, message, assertionResults } of JSON.parse(readFileSync(process.argv[2], 'utf8'))
  .testResults) {
  if (status !== 'failed') continue;
  const failed = assertionResults.filter(test => test.status === 'failed');
  print(`  ${name.replace(`${process.cwd()}/`, '')}`);
  if (message) print(said(message));
  for (const { fullName, failureMessages } of failed) print(`  - ${fullName}\n${said(failureMessages.join('\n'))}`);
}
