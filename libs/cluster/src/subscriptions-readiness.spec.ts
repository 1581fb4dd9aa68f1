import { expect, test } from 'vitest';
import { EmbeddedStore, EmbeddedSubscriptionsView } from '#view.embedded';
import { SubscriptionsReadiness } from './subscriptions-readiness.js';

test('ready when the view of every partition is, and no more when one is lost', async () => {
  const store = new EmbeddedStore({ partitions: 3, mailboxMax: 10 });
  const view = new EmbeddedSubscriptionsView(store);
  const readiness = new SubscriptionsReadiness(view, 3);
  expect(readiness.absence).toBe('not looked at yet');
  for (const waiting of [3, 2, 1]) {
    await readiness.look();
    expect(readiness.absence).toBe(`${waiting} partitions are being rebuilt by registration`);
    const partition = 3 - waiting;
    await view.createMark(partition);
    const mark = (await view.mark(partition))!;
    await view.setReady(partition, mark);
  }
  await readiness.look();
  expect(readiness.absence).toBeUndefined();
});

test('says what the store says when it is away', async () => {
  const away = { mark: () => Promise.reject(new Error('Connection is closed.')) };
  const readiness = new SubscriptionsReadiness(away, 3);
  await readiness.look();
  expect(readiness.absence).toBe('Connection is closed.');
});
