/**
 * Repairs a fault of kafkajs 2.2.4 (tulios/kafkajs#1704, open): from its first answer on each connection looks every
 * millisecond whether a request waits for being sent, also when none does, for as long as it lives. An idle service
 * with its handful of connections spends a few percent of a core on it. Whatever does wait has begun the look itself.
 */
import { createRequire } from 'node:module';

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(this: RequestQueue): void;
}

const require = createRequire(import.meta.url);
const { prototype } = require('kafkajs/src/network/requestQueue') as { prototype: RequestQueue };

const schedule = prototype.scheduleCheckPendingRequests;
prototype.scheduleCheckPendingRequests = function () {
  if (this.pending.length > 0) schedule.call(this);
};
