/** The sizes that were asked for, such as `1000,10000`; the standard ones if none were. */
export function sizes(args: readonly string[], standard: readonly number[]): readonly number[] {
  if (args[0] === undefined) return standard;
  const asked = args[0].split(',').map(Number);
  if (!asked.every(n => Number.isInteger(n) && n > 1)) throw new RangeError(`not a list of sizes: ${args[0]}`);
  return asked;
}
