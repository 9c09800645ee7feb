import { resolve } from 'node:path';
import { OperatorError } from '../../../operator/api.ts';
import { judgeFile, verdictText } from '../../../operator/evidence-file.ts';
import { type Command, EXIT, Refused } from '../command.ts';
import { writeJson } from '../io.ts';

export const evidenceVerify: Command = {
  name: 'evidence verify',
  arguments: ['FILE'],
  summary: 'say what a transcript of signed messages shows, and of whom',
  details: [
    'Offline: it asks and believes nobody, least of all the aggregator that wrote the file. No wallet is needed.',
    'Exit code 0 if a fault is shown, 1 if nothing is shown or the file is no transcript.',
  ].join('\n'),
  options: {},
  async run(invocation) {
    const { verdict } = judged(resolve(invocation.io.cwd, invocation.positionals[0]!));
    if (invocation.json) writeJson(invocation, verdict);
    else invocation.io.out.write(verdictText(verdict));
    return verdict.shown ? EXIT.ok : EXIT.failed;
  },
};

function judged(path: string): ReturnType<typeof judgeFile> {
  try {
    return judgeFile(path);
  } catch (error) {
    if (error instanceof OperatorError) throw new Refused(error.code, error.message);
    throw error;
  }
}
