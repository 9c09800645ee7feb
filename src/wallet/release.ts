import { isAddress } from '../bitcoin/index.ts';
import type { Decision } from './inputs.ts';
import type { Membership } from './state.ts';

/** Only a person can agree to that: whoever could name the address alone could take the money. */
export function agreeRelease({ cohort, terms }: Membership, to: string | null): Decision {
  if (to !== null && !isAddress(to, terms.btc_network))
    return { refuse: `${to} is no address on ${terms.btc_network}` };
  return { events: [{ type: 'release_agreed', cohort, to }], effects: [] };
}
