import { join } from 'node:path';
import { expect, test } from 'vitest';
import { listener, notification, scratch } from './scratch-log.contract.js';
import { NOTIFICATIONS } from './streams.js';

const { folder, open } = scratch();

/** A reader takes "read to its end" for a fact: a router that folds a view goes on behind what is left. */
test('a log that cannot be read for a moment is not taken for one that is read to its end', async () => {
  let say = (): void => undefined;
  const failed = new Promise<void>((resolve) => (say = resolve));
  const { log, producer, consumer } = await open({
    path: join(folder(), 'log.sqlite'),
    report: () => say(),
  });
  for (const key of ['a', 'b']) await producer.append(NOTIFICATIONS, 0, notification(key));
  const rename = (from: string, to: string): void =>
    log.file.database.exec(`ALTER TABLE ${from} RENAME TO ${to}`);
  rename('notifications', 'away');

  const heard: string[] = [];
  const reader = listener(0, ({ key }) => heard.push(String(key)));
  let isAtEnd = (): void => undefined;
  const atEnd = new Promise<void>((resolve) => (isAtEnd = resolve));
  const stop = await consumer.read(
    { stream: NOTIFICATIONS },
    { ...reader, onIdle: async () => void (heard.push('end'), isAtEnd()) },
  );
  await failed;
  rename('away', 'notifications');
  await atEnd;
  await stop();
  expect(heard).toEqual(['a', 'b', 'end']);
});
