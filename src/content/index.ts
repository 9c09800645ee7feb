export { kuboStore, MAX_BLOCK } from './kubo.ts';
export * from './publisher.ts';
export * from './store.ts';
