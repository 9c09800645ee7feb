import { z } from 'zod';
import { bitcoinAddress, count } from './fields.ts';

/** A → P before a round freezes, and P → A: I am here. `attempt` counts the tries within the round. */
export const presence = z.strictObject({ beacon_address: bitcoinAddress, round: count, attempt: count });
export type Presence = z.infer<typeof presence>;
