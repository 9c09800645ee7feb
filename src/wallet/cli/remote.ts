import { existsSync } from 'node:fs';
import { DidError, type DidErrorCode, type DidErrorDetail, type Resolution } from '../../did/index.ts';
import { ControlError, callControl } from '../../operator/control.ts';
import { Refused } from './command.ts';
import type { WalletPort } from './port.ts';

const PING_MS = 5_000;

/** Whether a process holds the wallet and answers at its socket. The file of a dead process does not count. */
export async function isServed(socket: string): Promise<boolean> {
  if (!existsSync(socket)) return false;
  try {
    await callControl(socket, 'ping', [], { timeoutMs: PING_MS });
    return true;
  } catch (error) {
    if (error instanceof ControlError && error.code === 'not_running') return false;
    throw error;
  }
}

const DID_CODES: readonly DidErrorCode[] = [
  'INVALID_DID',
  'INVALID_DID_DOCUMENT',
  'INVALID_DID_UPDATE',
  'INVALID_OPTIONS',
  'INVALID_SIGNAL_DATA',
  'LATE_PUBLISHING',
  'MISSING_UPDATE_DATA',
  'NOT_FOUND',
];

/** The error of the specification that a code stands for, or a refusal as it was told. */
function errorOf(code: string, text: string, detail?: unknown): Error {
  const specified = DID_CODES.find(name => name === code.toUpperCase());
  return specified === undefined ? new Refused(code, text) : new DidError(specified, text, detail as DidErrorDetail);
}

/** The wallet that another process of the same owner holds: it is believed about the shape of its answers. */
export function remotePort(socket: string): WalletPort {
  async function ask<T>(method: string, ...parameters: unknown[]): Promise<T> {
    try {
      return (await callControl(socket, method, parameters)) as T;
    } catch (error) {
      if (error instanceof ControlError) throw errorOf(error.code, error.message);
      throw error;
    }
  }
  return {
    discover: query => ask('discover', query ?? {}),
    join: request => ask('join', request),
    ready: cohort => ask('ready', cohort),
    leave: (cohort, options) => (options?.force ? ask('leave', { cohort, force: true }) : ask('leave', cohort)),
    succession: request => ask('succession', request),
    refunds: request => ask('refunds', request),
    exit: request => ask('exit', request),
    release: request => ask('release', request),
    rebind: cohort => ask('rebind', cohort),
    createDid: request => ask('createDid', request),
    register: request => ask('register', request),
    update: request => ask('update', request),
    announce: request => ask('announce', request),
    fundingAddress: did => ask('fundingAddress', did),
    publish: request => ask('publish', request),
    recovery: () => ask('recovery'),
    restore: request => ask('restore', request),
    sidecar: did => ask('sidecar', did),
    async resolve(request) {
      type Answer = { resolution: Resolution } | { error: { code: string; message: string; detail?: unknown } };
      const answer = await ask<Answer>('tryResolve', request);
      if ('resolution' in answer) return answer.resolution;
      throw errorOf(answer.error.code, answer.error.message, answer.error.detail);
    },
    companionOpen: request => ask('companionOpen', request ?? {}),
    companionPair: request => ask('companionPair', request),
    companionPolicy: request => ask('companionPolicy', request ?? {}),
    companionJoin: request => ask('companionJoin', request),
    companionWithdraw: request => ask('companionWithdraw', request),
    companionRevoke: () => ask('companionRevoke'),
    companionLost: () => ask('companionLost'),
    savedState: () => ask('savedState'),
    saveState: request => ask('saveState', request ?? {}),
    forgetState: () => ask('forgetState'),
    trustCopy: () => ask('trustCopy'),
    status: () => ask('status'),
    compose: request => ask('compose', request),
    composed: request => ask('composed', request),
    deliver: request => ask('deliver', request),
  };
}
