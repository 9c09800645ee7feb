import { expect, test } from 'vitest';
import { qrText } from '../../src/operator/qr.ts';
import { readQr } from './read-qr.ts';

const link = `nostr+btcr2://${'Ab3_-'.repeat(90)}`;

test.each([true, false])('a link as a QR code is read back, in colour: %s', colour => {
  const code = qrText(link, { colour }) ?? '';
  expect(readQr(code)).toBe(link);
  expect(code.includes('\u001b[97;40m')).toBe(colour);
});

test('a text that no QR code holds makes none', () => {
  expect(qrText('x'.repeat(2_953), { colour: false })).not.toBeNull();
  expect(qrText('x'.repeat(2_954), { colour: false })).toBeNull();
});
