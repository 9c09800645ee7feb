import { first } from './001-first.ts';
import { letters } from './002-letters.ts';

/** One step of the schema: `sql` takes a database from `version` − 1 to `version`. */
export interface Migration {
  readonly version: number;
  readonly sql: string;
}

/** All of them, numbered from 1 without gaps. */
export const migrations: readonly Migration[] = [first, letters];
