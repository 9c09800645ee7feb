/**
 * Whether JSON text nests no deeper than `max` arrays and objects; looked at before parsing, since nesting costs the
 * reader more than the writer.
 */
export function isShallow(text: string, max: number): boolean {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (quoted) {
      if (char === 0x5c) i++;
      else if (char === 0x22) quoted = false;
    } else if (char === 0x22) quoted = true;
    else if (char === 0x5b || char === 0x7b) {
      if (++depth > max) return false;
    } else if (char === 0x5d || char === 0x7d) depth--;
  }
  return true;
}

/** Parses JSON of bounded length (characters) and depth; undefined, never a throw, for anything else. */
export function parseJson(text: string, limits: { readonly chars: number; readonly depth: number }): unknown {
  if (text.length > limits.chars || !isShallow(text, limits.depth)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether a parsed value is an object, not an array and not null. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
