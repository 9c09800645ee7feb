export type JsonParse = { ok: true; value: unknown } | { ok: false; reason: 'too_large' | 'too_deep' | 'not_json' };

/** Nesting that no message needs; JSON.parse itself would overflow the stack far beyond it. */
const MAX_DEPTH = 64;

/**
 * Parses JSON from a stranger. Size (UTF-16 units) and nesting are judged before JSON.parse sees the text,
 * so a hostile text costs one linear scan at most.
 */
export function parseJson(text: string, maxLength: number): JsonParse {
  if (text.length > maxLength) return { ok: false, reason: 'too_large' };
  if (nestsDeeper(text, MAX_DEPTH)) return { ok: false, reason: 'too_deep' };
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return { ok: false, reason: 'not_json' };
  }
}

function nestsDeeper(text: string, limit: number): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (inString) {
      if (char === 0x5c) i++;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x7b || char === 0x5b) {
      if (++depth > limit) return true;
    } else if (char === 0x7d || char === 0x5d) depth--;
  }
  return false;
}
