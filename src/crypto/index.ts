export * from './bytes.ts';
export type { Curve } from './curve.ts';
export * from './hash.ts';
