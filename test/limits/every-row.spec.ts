/** No limit is only written down: each setting in the README's table is tried at its edge by a file of this folder. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { README_TABLES } from '../support/readme-tables.js';

/** Days pass only where the clock is an argument. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  DEVICE_DAYS_MAX: '../../apps/registration/src/unseen-devices.spec.ts',
};
const here = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.e2e-spec.ts'));
const textOf = (name: string): string => readFileSync(join(import.meta.dirname, name), 'utf8');

test('each limit that can be set is tried through the ports of a running service', async () => {
  const { rows } = await README_TABLES['Limits']!();
  const settings = rows.map((row) => row.at(-1)?.replaceAll('`', '') ?? '');
  const untried = settings.filter((name) => {
    const files = name in ELSEWHERE ? [ELSEWHERE[name] ?? ''] : here;
    const word = name in ELSEWHERE ? 'deviceDaysMax' : name;
    return name !== 'fixed' && !files.some((file) => textOf(file).includes(word));
  });
  expect(untried).toEqual([]);
});
