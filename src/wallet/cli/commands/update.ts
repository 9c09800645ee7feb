import { resolve } from 'node:path';
import { type Patch, patchSchema } from '../../../did/index.ts';
import { type Command, EXIT, type Invocation, isSet, NETWORKING, textFlag, UsageError } from '../command.ts';
import { parseJson, readFileText } from '../files.ts';
import { waiting } from '../io.ts';
import { withWallet } from '../open.ts';
import { findDid } from '../refs.ts';
import { cohortsOf, SENDING, showAnnounced, viaOf } from '../sending.ts';

export const update: Command = {
  name: 'update',
  arguments: ['DID'],
  summary: "sign an update of a DID's document and send it to its cohorts",
  details: [
    'The patch is a JSON Patch (RFC 6902): an array of operations, here or in @FILE, such as',
    `  '[{"op":"add","path":"/alsoKnownAs","value":["https://example.com"]}]'`,
    'The DID is resolved afresh, the update is tried out before it leaves, and a newer update of a version replaces an',
    'older one only until a round has taken that up. To deactivate a DID for good: add /deactivated with the value true.',
    '',
    "--via singleton announces it at once by the beacon under the DID's own key, which has to hold the fee (see `funding`):",
    'the way into a cohort for a k identifier, and the way out of one that is dead.',
  ].join('\n'),
  options: {
    patch: { type: 'string', value: 'JSON|@FILE', help: 'what to change' },
    ...SENDING,
    bare: { type: 'boolean', help: 'send its hash alone: the aggregator never learns what it says' },
    'after-restore': {
      type: 'boolean',
      help: 'of a restored DID: nothing that the lost wallet signed for this version can still appear',
    },
    ...NETWORKING,
  },
  async run(invocation) {
    const patch = readPatch(invocation);
    const bare = isSet(invocation, 'bare');
    const via = viaOf(invocation, 'update');
    const after = isSet(invocation, 'after-restore') ? { afterRestore: true } : {};
    if (bare && via.via !== undefined)
      throw new UsageError('--bare is about what a cohort is told, and --via singleton tells none', 'update');
    return withWallet(invocation, { online: true }, async ({ port, config }) => {
      const status = await port.status();
      const { did } = findDid(invocation.positionals[0]!, status.dids);
      const where = { ...cohortsOf(invocation, status.cohorts), ...via };
      const sending = port.update({ did, patch, ...where, ...(bare ? { bare } : {}), ...after });
      const done = await waiting(invocation, 'sending the update', sending);
      showAnnounced(invocation, done, config.relays.length === 0);
      return EXIT.ok;
    });
  },
};

/** The patch that the option holds or names. Throws UsageError that says what is wrong with it, Refused for a file that cannot be read. */
function readPatch(invocation: Invocation): Patch {
  const given = textFlag(invocation, 'patch');
  if (given === undefined) throw new UsageError('update needs --patch', 'update');
  const text = given.startsWith('@') ? readFileText(resolve(invocation.io.cwd, given.slice(1))) : given;
  const json = parseJson(text);
  if (!json.ok) throw new UsageError('the patch is not JSON', 'update');
  const parsed = patchSchema.min(1, 'an empty patch changes nothing').safeParse(json.value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const where = issue.path.length === 0 ? '' : `${issue.path.join('.')}: `;
  throw new UsageError(`the patch is no JSON Patch (RFC 6902): ${where}${issue.message}`, 'update');
}
