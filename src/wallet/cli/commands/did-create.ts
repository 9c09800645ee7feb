import type { CohortView, DidView } from '../../api.ts';
import { type Command, EXIT, type Invocation, isSet, NETWORKING, Refused, textFlag, UsageError } from '../command.ts';
import { hint, waiting, writeJson, writeLines } from '../io.ts';
import { withWallet } from '../open.ts';
import { findCohort } from '../refs.ts';

const NAME = /^[A-Za-z0-9._-]{1,64}$/;

export const didCreate: Command = {
  name: 'did create',
  arguments: [],
  summary: 'make a DID, with a key of its own',
  details: [
    'An x identifier (the default) is made of its first document, so it can list the beacon of --cohort from the start.',
    'A k identifier is made of its key alone and lists a cohort only by a later update.',
    '',
    "Every document also lists a beacon under the DID's own key: with the cohort's beacon alone, one lost cohort key would",
    'freeze the document for good. --no-singleton leaves it out.',
  ].join('\n'),
  options: {
    kind: { type: 'string', value: 'x|k', help: 'x unless told' },
    cohort: { type: 'string', value: 'COHORT', help: 'list the beacon of this cohort in the first document' },
    name: { type: 'string', value: 'NAME', help: 'a name for use in this wallet' },
    'no-singleton': { type: 'boolean', help: "without a beacon under the DID's own key; needs --cohort" },
    ...NETWORKING,
  },
  async run(invocation) {
    const choice = choiceOf(invocation);
    return withWallet(invocation, { online: 'to_save' }, async ({ port }) => {
      const { cohorts, dids, seeded, saved } = await port.status();
      refuseTaken(choice.name, dids);
      const cohort = choice.cohort === undefined ? undefined : findCohort(choice.cohort, cohorts);
      const made = await waiting(
        invocation,
        'making a DID',
        port.createDid({
          kind: choice.kind,
          ...(cohort === undefined ? {} : { cohort: cohort.cohort }),
          ...(choice.name === undefined ? {} : { name: choice.name }),
          ...(choice.kind === 'x' ? { singleton: choice.singleton } : {}),
        }),
      );
      if (invocation.json) writeJson(invocation, { ...made, name: choice.name ?? null });
      else writeLines(invocation, [made.did]);
      for (const line of backupHints(choice.kind, seeded, saved?.on ?? false)) hint(invocation, line);
      hint(invocation, nextStep(choice.name ?? made.did, cohort));
      return EXIT.ok;
    });
  },
};

/** What would be lost with this wallet: with a seed another thing than without. */
function backupHints(kind: 'x' | 'k', seeded: boolean, isSaved: boolean): string[] {
  if (seeded && isSaved) return ['it is saved on relays, as soon as btcr2-wallet status says so'];
  if (!seeded) return ['back up keys.json: the key of this DID is nowhere else'];
  return kind === 'k'
    ? ['the words of the seed make this DID again; its updates need: btcr2-wallet recovery --out FILE']
    : ['the words of the seed make its key again, but not its document: btcr2-wallet recovery --out FILE'];
}

function choiceOf(invocation: Invocation) {
  const usage = (text: string): UsageError => new UsageError(text, 'did create');
  const kind = textFlag(invocation, 'kind') ?? 'x';
  const cohort = textFlag(invocation, 'cohort');
  const name = textFlag(invocation, 'name');
  const singleton = !isSet(invocation, 'no-singleton');
  if (kind !== 'x' && kind !== 'k') throw usage('--kind is x or k');
  if (kind === 'k' && cohort !== undefined)
    throw usage('a k identifier cannot list a cohort from the start: make an x, or add the beacon by an update');
  if (!singleton && cohort === undefined)
    throw usage('--no-singleton needs --cohort: a DID without any beacon can never change');
  if (name !== undefined && !NAME.test(name))
    throw usage('--name takes 1 to 64 letters, digits, dots, dashes and underscores');
  return { kind, cohort, name, singleton } as const;
}

function refuseTaken(name: string | undefined, dids: readonly DidView[]): void {
  const taken = dids.find(did => name !== undefined && did.name === name);
  if (taken !== undefined) throw new Refused('exists', `${taken.did} has the name ${name} already`);
}

const nextStep = (did: string, cohort: CohortView | undefined): string =>
  cohort === undefined
    ? `next: btcr2-wallet register ${did}`
    : `next: btcr2-wallet register ${did} --cohort ${cohort.advert_id}`;
