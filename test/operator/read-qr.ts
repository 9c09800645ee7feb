import decodeQR from 'qr/decode.js';

/** What a phone's camera would read from a QR code of half blocks, white ink on black. */
export function readQr(text: string): string {
  const lines = text
    .replaceAll('\u001b[97;40m', '')
    .replaceAll('\u001b[0m', '')
    .split('\n')
    .filter(line => line !== '');
  const scale = 4;
  const width = [...lines[0]!].length * scale;
  const height = lines.length * 2 * scale;
  const data = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const row = Math.floor(y / scale);
      const cell = [...lines[row >> 1]!][Math.floor(x / scale)];
      const isLight = cell === '█' || cell === (row % 2 === 0 ? '▀' : '▄');
      data.set([isLight ? 255 : 0, isLight ? 255 : 0, isLight ? 255 : 0, 255], (y * width + x) * 4);
    }
  return decodeQR({ width, height, data });
}
