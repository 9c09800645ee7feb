import encodeQR from 'qr';

/** Bytes that the largest QR code holds at the lowest error correction (ISO/IEC 18004, version 40-L). */
const MAX_BYTES = 2_953;
/** White around the code, in modules, that readers need. */
const QUIET = 4;

/**
 * A text as a QR code (ISO/IEC 18004) for a terminal, two rows of modules a line; null if it is longer than 2,953 bytes.
 * Ink is white: with `colour` on black whatever the terminal's own colours are, else as on a dark terminal.
 */
export function qrText(text: string, { colour }: { colour: boolean }): string | null {
  if (Buffer.byteLength(text) > MAX_BYTES) return null;
  const rows = encodeQR(text, 'raw', { ecc: 'low', border: QUIET });
  const isDark = (x: number, y: number): boolean => rows[y]?.[x] === true;
  const lines: string[] = [];
  for (let y = 0; y < rows.length; y += 2) {
    const cells = rows[y]!.map((_, x) =>
      isDark(x, y) ? (isDark(x, y + 1) ? ' ' : '▄') : isDark(x, y + 1) ? '▀' : '█',
    );
    lines.push(colour ? `\u001b[97;40m${cells.join('')}\u001b[0m` : cells.join(''));
  }
  return lines.map(line => `${line}\n`).join('');
}
