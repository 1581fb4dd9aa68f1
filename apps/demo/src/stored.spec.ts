import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Subscribers } from './subscribers.js';
import { vapidKeysIn } from './vapid-keys.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'heliograph-demo-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const subscription = (name: string, auth = 'A'.repeat(22)) => ({
  endpoint: `http://127.0.0.1:8081/wpush/v2/${name}`,
  keys: { p256dh: 'B'.repeat(87), auth },
});

describe('the VAPID keys', () => {
  test('are made once, and for their owner alone', () => {
    const keys = vapidKeysIn(join(folder, 'demo'));
    expect(vapidKeysIn(join(folder, 'demo'))).toEqual(keys);
    expect(statSync(join(folder, 'demo', 'vapid.json')).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'demo')).mode & 0o777).toBe(0o700);
  });

  test.each(['', '{}', '{"publicKey":"BA","privateKey":"AA"}'])(
    '%j in their file is refused',
    (text) => {
      writeFileSync(join(folder, 'vapid.json'), text);
      expect(() => vapidKeysIn(folder)).toThrow(/vapid\.json: .* Repair or remove/);
      expect(readFileSync(join(folder, 'vapid.json'), 'utf8')).toBe(text);
    },
  );
});

describe('the subscribers', () => {
  const open = (max = 10, isOurs = (): boolean => true): Subscribers =>
    Subscribers.open(join(folder, 'subscribers.json'), { max, isOurs });

  test('are there again after a restart, with their latest keys', async () => {
    const subscribers = open();
    const [one] = await Promise.all([
      subscribers.add(subscription('one')),
      subscribers.add(subscription('two')),
    ]);
    const again = await subscribers.add(subscription('one', 'C'.repeat(22)));
    expect(again?.id).toBe(one?.id);
    expect(open().all()).toEqual(subscribers.all());
    expect(open().count).toBe(2);
    expect(statSync(join(folder, 'subscribers.json')).mode & 0o777).toBe(0o600);
  });

  test('that are removed are gone after a restart as well', async () => {
    const subscribers = open();
    const one = await subscribers.add(subscription('one'));
    await subscribers.remove(one?.id ?? '');
    await subscribers.remove('unknown');
    expect(open().count).toBe(0);
  });

  test('are written to the end when the site closes, and not after it', async () => {
    const subscribers = open();
    void subscribers.add(subscription('one'));
    await subscribers.close();
    expect(open().count).toBe(1);
    await subscribers.add(subscription('two'));
    expect(open().count).toBe(1);
  });

  test('have a limit; who is there already may come again', async () => {
    const subscribers = open(1);
    await subscribers.add(subscription('one'));
    expect(await subscribers.add(subscription('two'))).toBeUndefined();
    expect(await subscribers.add(subscription('one'))).toBeDefined();
  });

  test('of a push service that is no longer ours are not sent to', async () => {
    await open().add(subscription('one'));
    expect(open(10, () => false).count).toBe(0);
  });

  test('in a file that holds something else are refused with its name', () => {
    writeFileSync(join(folder, 'subscribers.json'), '{');
    expect(() => open()).toThrow(/subscribers\.json does not hold/);
  });
});
