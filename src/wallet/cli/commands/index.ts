import type { Command } from '../command.ts';
import { announce } from './announce.ts';
import { backup } from './backup.ts';
import { companionCommands } from './companion.ts';
import { compose } from './compose.ts';
import { deliver } from './deliver.ts';
import { didCreate } from './did-create.ts';
import { didList } from './did-list.ts';
import { discover } from './discover.ts';
import { evidenceVerify } from './evidence-verify.ts';
import { exit } from './exit.ts';
import { funding } from './funding.ts';
import { init } from './init.ts';
import { join } from './join.ts';
import { leave } from './leave.ts';
import { passwd } from './passwd.ts';
import { publish } from './publish.ts';
import { putBack } from './put-back.ts';
import { rebind } from './rebind.ts';
import { recovery } from './recovery.ts';
import { refund } from './refund.ts';
import { register } from './register.ts';
import { release } from './release.ts';
import { resolve } from './resolve.ts';
import { restore } from './restore.ts';
import { run } from './run.ts';
import { sidecar } from './sidecar.ts';
import { state } from './state.ts';
import { stateForget } from './state-forget.ts';
import { statePush } from './state-push.ts';
import { status } from './status.ts';
import { succession } from './succession.ts';
import { trustCopy } from './trust-copy.ts';
import { update } from './update.ts';

/** All commands, in the order of a wallet's life; `help` is not among them. */
export const COMMANDS: readonly Command[] = [
  init,
  passwd,
  backup,
  putBack,
  trustCopy,
  discover,
  join,
  leave,
  succession,
  exit,
  rebind,
  didCreate,
  didList,
  register,
  update,
  announce,
  release,
  refund,
  funding,
  run,
  ...companionCommands,
  compose,
  deliver,
  status,
  sidecar,
  resolve,
  publish,
  evidenceVerify,
  recovery,
  restore,
  state,
  statePush,
  stateForget,
];
