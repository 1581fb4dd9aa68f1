import { STATUS_CODES } from 'node:http';
import { describe, expect, test } from 'vitest';
import { REFUSALS, refusalBody, type RefusalName, type RefusalRow } from './refusals.js';

const rows = Object.entries(REFUSALS) as [RefusalName, RefusalRow][];

describe('the table of refusals', () => {
  test.each([
    [102, 404],
    [103, 410],
    [104, 413],
    [106, 410],
    [109, 401],
    [110, 400],
    [111, 400],
    [112, 400],
    [113, 400],
    [115, 400],
    [201, 503],
    [300, 429],
    [999, 500],
  ])('has errno %i with status %i', (errno, status) => {
    expect(rows.some(([, row]) => row.errno === errno && row.status === status)).toBe(true);
  });

  test('gives every row its own metric label', () => {
    const labels = rows.map(([, row]) => row.label);
    expect(new Set(labels).size).toBe(labels.length);
    for (const label of labels) expect(label).toMatch(/^[a-z]+(_[a-z]+)*$/);
  });

  test('says when to retry exactly where the state passes', () => {
    for (const [, row] of rows) {
      expect(row.retryAfterSeconds !== undefined).toBe(row.status === 429 || row.status === 503);
    }
  });

  test('lets a 410 be remembered for a day, and nothing else', () => {
    for (const [, row] of rows) {
      expect(row.cacheControl).toBe(row.status === 410 ? 'max-age=86400' : undefined);
    }
  });

  test('challenges a 401 as HTTP wants it', () => {
    for (const [, row] of rows) {
      expect(row.challenge).toBe(row.status === 401 ? 'vapid' : undefined);
    }
  });
});

describe('the body of a refusal', () => {
  test.each(rows)('%s has exactly the five members', (name, row) => {
    const body: unknown = JSON.parse(refusalBody(name));
    expect(body).toEqual({
      code: row.status,
      errno: row.errno,
      error: row.status === 413 ? 'Content Too Large' : STATUS_CODES[row.status],
      message: row.say,
      more_info: row.see,
    });
  });

  test('escapes what the sender sent', () => {
    const reason = 'a "quoted"\n\u2028 <script>\\ \0 \ud800';
    const body = JSON.parse(refusalBody('ttlInvalid', reason)) as { message: string };
    expect(body.message).toBe(`${REFUSALS.ttlInvalid.say}: ${reason}`);
  });
});
