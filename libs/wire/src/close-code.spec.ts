import { describe, expect, test } from 'vitest';
import { CLOSE_CODES, type CloseCode } from './close-code.js';

const rows = Object.entries(CLOSE_CODES) as [string, CloseCode][];

describe('the table of close codes', () => {
  test('never has 4774: Firefox would stay away', () => {
    expect(rows.map(([, row]) => row.code)).not.toContain(4774);
  });

  test.each(rows)('%s is a code and a reason that a server may send', (_, { code, reason }) => {
    const isSendable = [1000, 1001, 1003, 1008, 1009, 1011, 1012, 1013].includes(code);
    expect(isSendable || (code >= 4000 && code < 5000)).toBe(true);
    expect(reason).toMatch(/^[\x20-\x7e]{1,123}$/);
  });

  test.each([
    ['binary', 1003],
    ['unreadable', 1011],
    ['helloMisplaced', 1011],
    ['pingTooSoon', 1011],
    ['notReady', 1013],
    ['draining', 1001],
  ] as const)('has %s as the contract says', (name, code) => {
    expect(CLOSE_CODES[name].code).toBe(code);
  });

  test('sends nobody away for good but the displaced', () => {
    const staying = rows.filter(([, row]) => !row.isExpectedBack).map(([name]) => name);
    expect(staying).toEqual(['displaced']);
  });

  test('tells from the code alone whether to come back', () => {
    for (const [, { code, isExpectedBack }] of rows) {
      const others = rows.filter(([, other]) => other.code === code);
      expect(others.every(([, other]) => other.isExpectedBack === isExpectedBack)).toBe(true);
    }
  });
});
