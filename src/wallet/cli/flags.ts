import type { ConfigFlags } from '../config.ts';
import { type Flags, listFlag, textFlag } from './command.ts';

/** The flags that are settings. */
export function configFlags(flags: Flags): ConfigFlags {
  const text = (name: string): string | undefined => textFlag({ flags }, name);
  const relay = listFlag({ flags }, 'relay');
  const chosen = {
    bitcoind: text('bitcoind'),
    esplora: text('esplora'),
    cookie: text('cookie'),
    user: text('user'),
    'password-file': text('password-file'),
    'log-level': text('log-level'),
  };
  const named: ConfigFlags = Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== undefined));
  return relay === undefined ? named : { ...named, relay };
}
