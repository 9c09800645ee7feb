/** Browsers have no native hasher: the twin of hasher-native.ts there. */
export { portableHasher as pairHasher } from './hasher.ts';
