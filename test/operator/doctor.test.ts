import { describe, expect, test } from 'vitest';
import { checkClock, checkNode } from '../../src/operator/doctor.ts';

test.each([
  ['v20.19.0', 'ok'],
  ['v20.20.2', 'ok'],
  ['v22.1.0', 'ok'],
  ['v20.18.3', 'fail'],
  ['v18.20.0', 'fail'],
])('Node %s is %s', (version, level) => expect(checkNode(version).level).toBe(level));

// fault 47
describe('the clock', () => {
  const NOW = 1_800_000_000;
  const level = (ahead: number[], mediantime: number | null = NOW - 3_600) => checkClock(ahead, mediantime, NOW).level;

  test('is right when relays and chain agree with it', () => expect(level([0, 1, -1])).toBe('ok'));
  test('is suspicious half a minute off', () => expect(level([40])).toBe('warn'));
  test('is wrong beyond what relays take', () => expect([level([700]), level([-700])]).toEqual(['fail', 'fail']));
  test('is not moved by one relay that lies', () => expect(level([0, 86_400, 1])).toBe('ok'));
  test('is wrong behind the chain, whatever relays say', () => expect(level([0], NOW + 60)).toBe('fail'));
  test('is unknown when nobody tells', () => expect(level([], null)).toBe('warn'));
});
