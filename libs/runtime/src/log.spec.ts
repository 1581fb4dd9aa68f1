import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Log, type Fields } from './log.js';
import { NestLog } from './nest-log.js';
import { SAMPLE_INTERVAL_MS, SAMPLED_CLASSES_MAX } from './sampler.js';

let lines: Fields[];
let log: Log;
beforeEach(() => {
  lines = [];
  log = Log.into((line) => lines.push(line));
});
afterEach(() => vi.useRealTimers());

test('a line is one JSON document with level, time, service, text and fields', () => {
  log.info('listening', { port: 8080 });
  expect(lines).toEqual([
    { level: 'info', time: expect.any(String), service: 'test', port: 8080, msg: 'listening' },
  ]);
  expect(Date.parse(lines[0]!.time as string)).not.toBeNaN();
});

test('what is below the level is not said', () => {
  const quiet = Log.into((line) => lines.push(line), 'warn');
  quiet.debug('a');
  quiet.info('b');
  quiet.warn('c');
  expect(lines.map((line) => line.msg)).toEqual(['c']);
});

test('a log with fields puts them on every line', () => {
  log.with({ partition: 3 }).warn('behind');
  expect(lines).toMatchObject([{ partition: 3, msg: 'behind' }]);
});

test('an error is told with its cause', () => {
  log.error('append failed', { error: new Error('outer', { cause: new Error('disk full') }) });
  expect(lines).toMatchObject([
    { msg: 'append failed', error: { message: 'outer', cause: { message: 'disk full' } } },
  ]);
});

test('what a service serves is one line per address, and the last one says that this is all', () => {
  log.serving({ devices: 'ws://127.0.0.1:8080/', 'application servers': 'http://127.0.0.1:8081/' });
  expect(lines).toMatchObject([
    { msg: 'serving', what: 'devices', address: 'ws://127.0.0.1:8080/' },
    { msg: 'serving', what: 'application servers', ready: true },
  ]);
  expect(lines[0]).not.toHaveProperty('ready');
});

describe('a class that comes often', () => {
  beforeEach(() => void vi.useFakeTimers());

  test('is said at once, then once an interval with how often it came', () => {
    for (let i = 0; i < 1000; i++) log.sampled('vapid', 'refused', { i });
    expect(lines).toMatchObject([{ class: 'vapid', times: 1, i: 0, level: 'warn' }]);
    vi.advanceTimersByTime(SAMPLE_INTERVAL_MS);
    expect(lines).toMatchObject([{ times: 1 }, { times: 999, i: 999 }]);
    log.sampled('vapid', 'refused');
    expect(lines).toHaveLength(2);
    vi.advanceTimersByTime(SAMPLE_INTERVAL_MS);
    expect(lines).toHaveLength(3);
  });

  test('does not hide another class', () => {
    log.sampled('vapid', 'refused');
    log.sampled('ttl', 'refused');
    expect(lines.map((line) => line.class)).toEqual(['vapid', 'ttl']);
  });

  test('is said at once again after an interval of silence', () => {
    log.sampled('vapid', 'refused');
    vi.advanceTimersByTime(SAMPLE_INTERVAL_MS);
    log.sampled('vapid', 'refused');
    expect(lines).toHaveLength(2);
  });

  test('shares one line with the rest when there are too many classes', () => {
    for (let i = 0; i < SAMPLED_CLASSES_MAX + 50; i++) log.sampled(`class ${i}`, 'refused');
    expect(lines).toHaveLength(SAMPLED_CLASSES_MAX + 1);
    vi.advanceTimersByTime(SAMPLE_INTERVAL_MS);
    expect(lines.at(-1)).toMatchObject({ class: 'others', times: 49 });
  });
});

describe('what Nest says', () => {
  test('about its wiring is debug', () => {
    new NestLog(log).log('Mapped {/v1, GET} route', 'RouterExplorer');
    expect(lines).toMatchObject([{ level: 'debug', nest: 'RouterExplorer' }]);
  });

  test('about a failure keeps the stack', () => {
    new NestLog(log).error('boom', 'Error: boom\n  at x', 'ExceptionsHandler');
    new NestLog(log).error(new Error('bang'), 'ExceptionsHandler');
    expect(lines).toMatchObject([
      { level: 'error', msg: 'boom', nest: 'ExceptionsHandler', error: 'Error: boom\n  at x' },
      { level: 'error', msg: 'bang', nest: 'ExceptionsHandler', error: { message: 'bang' } },
    ]);
  });
});
