import { expect, test } from 'vitest';
import { Log, StartRefused } from '#runtime';
import { askedAgain } from './asked-again.js';

const log = Log.silent();

test.each(['Command timed out', 'Connection is closed.'])(
  'after “%s” it is asked again',
  async (said) => {
    const answers = [new Error(said), new Error(said), 'yes'];
    const ask = (): Promise<unknown> => {
      const answer = answers.shift();
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    };
    expect(await askedAgain(ask, { log, againMs: 1 })).toBe('yes');
    expect(answers).toEqual([]);
  },
);

test('what is refused is refused', async () => {
  const refused = new StartRefused('Redis evicts');
  await expect(askedAgain(() => Promise.reject(refused), { log, againMs: 1 })).rejects.toBe(
    refused,
  );
});
