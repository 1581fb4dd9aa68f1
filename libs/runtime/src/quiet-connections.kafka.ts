/**
 * What kafkajs 2.2.4 does on each connection while nothing happens, made less. An idle service with its handful of
 * connections spent a few percent of a core on it.
 */
import { createRequire } from 'node:module';

interface Request {
  /** ms */
  readonly sentAt: number;
  readonly requestTimeout: number;
  timeoutRequest(): void;
}

interface RequestQueue {
  readonly pending: readonly unknown[];
  readonly inflight: ReadonlyMap<number, Request>;
  readonly enforceRequestTimeout: boolean;
  readonly requestTimeout: number;
  readonly isConnected: () => boolean;
  requestTimeoutIntervalId: NodeJS.Timeout;
  destroy(): void;
  scheduleCheckPendingRequests(this: RequestQueue): void;
  scheduleRequestTimeoutCheck(this: RequestQueue): void;
}

const require = createRequire(import.meta.url);
const { prototype } = require('kafkajs/src/network/requestQueue') as { prototype: RequestQueue };

/**
 * A fault (tulios/kafkajs#1704, open): from its first answer on each connection looks every millisecond whether a
 * request waits for being sent, also when none does, for as long as it lives. Whatever does wait has begun the look
 * itself.
 */
const schedule = prototype.scheduleCheckPendingRequests;
prototype.scheduleCheckPendingRequests = function () {
  if (this.pending.length > 0) schedule.call(this);
};

/** Requests are late after seconds; kafkajs looks for late ones ten times a second. */
const LATE_LOOK_MS = 500;
prototype.scheduleRequestTimeoutCheck = function () {
  if (!this.enforceRequestTimeout) return;
  this.destroy();
  const look = (): void => {
    for (const request of [...this.inflight.values()]) {
      if (Date.now() - request.sentAt > request.requestTimeout) request.timeoutRequest();
    }
    if (!this.isConnected()) this.destroy();
  };
  this.requestTimeoutIntervalId = setInterval(look, Math.min(this.requestTimeout, LATE_LOOK_MS));
};
