export { base64 } from './base64.ts';
export * from './bytes.ts';
export type { Curve } from './curve.ts';
export * from './hash.ts';
