export * from './errors.ts';
export { tellingFaults } from './faults.ts';
export { openStore } from './open.ts';
export type * from './types.ts';
