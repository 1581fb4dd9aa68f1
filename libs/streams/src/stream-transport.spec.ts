import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import type { INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, Payload } from '@nestjs/microservices';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { FromStream, StreamTransport } from './stream-transport.js';
import type { StreamEvent } from './stream-transport.js';
import { EmbeddedConsumer, EmbeddedLog, EmbeddedProducer } from './streams.embedded.js';
import { NOTIFICATIONS, SUBSCRIPTIONS } from './streams.js';

const ROUTER = 'router';
let app: INestMicroservice | undefined;
let log: EmbeddedLog | undefined;
const reported: unknown[] = [];

afterEach(async () => {
  await app?.close();
  await log?.close();
  app = undefined;
  reported.length = 0;
});

/** Serves the controllers from a fresh log; returns its producer. */
async function serve(...controllers: readonly (new () => object)[]): Promise<EmbeddedProducer> {
  log = await EmbeddedLog.open({
    path: ':memory:',
    partitions: 2,
    report: (_, error) => reported.push(error),
  });
  @Module({ controllers: [...controllers] })
  class ReadingModule {}
  const strategy = new StreamTransport(new EmbeddedConsumer(log));
  app = await NestFactory.createMicroservice(ReadingModule, { strategy, logger: false });
  await app.listen();
  return new EmbeddedProducer(log);
}

function recordOf(key: string): { key: Buffer; value: Buffer } {
  return { key: Buffer.from(key), value: Buffer.from('value') };
}

function keysIn(events: readonly StreamEvent[]): string[] {
  return events.flatMap((e) => (e.kind === 'batch' ? e.batch.records.map((r) => `${r.key}`) : []));
}

describe('a method that is @FromStream', () => {
  test('gets assignments, batches and idle calls of its stream, and its answers count', async () => {
    const events: StreamEvent[] = [];
    @Controller()
    class Router {
      private seeks = 1;
      @FromStream(NOTIFICATIONS, ROUTER)
      async notifications(@Payload() event: StreamEvent): Promise<number | undefined> {
        events.push(event);
        if (event.kind === 'assigned') return 0;
        // The first batch is asked for once more; undefined goes on behind it.
        return event.kind === 'batch' && this.seeks-- > 0 ? 0 : undefined;
      }
    }
    const producer = await serve(Router);
    await producer.append(NOTIFICATIONS, 1, recordOf('a'));
    await vi.waitFor(() => expect(keysIn(events)).toEqual(['a', 'a']));
    await producer.append(NOTIFICATIONS, 1, recordOf('b'));
    await vi.waitFor(() => expect(keysIn(events)).toEqual(['a', 'a', 'b']));
    const of = (kind: string): StreamEvent[] => events.filter((event) => event.kind === kind);
    expect(of('assigned')).toEqual([
      { kind: 'assigned', partition: 0 },
      { kind: 'assigned', partition: 1 },
    ]);
    expect(of('idle')).toContainEqual({ kind: 'idle', partition: 0 });
  });

  test('that throws gets the same batch again: nothing is lost', async () => {
    const events: StreamEvent[] = [];
    const failures = [new Error('the view is away'), new TypeError('a bug')];
    @Controller()
    class Router {
      @FromStream(NOTIFICATIONS, ROUTER)
      async notifications(event: StreamEvent): Promise<number | undefined> {
        if (event.kind !== 'batch') return 0;
        events.push(event);
        const failure = failures.shift();
        if (failure) throw failure;
        return event.batch.next;
      }
    }
    const failing = [...failures];
    const producer = await serve(Router);
    await producer.append(NOTIFICATIONS, 0, recordOf('kept'));
    await vi.waitFor(() => expect(keysIn(events)).toEqual(['kept', 'kept', 'kept']));
    await producer.append(NOTIFICATIONS, 0, recordOf('next'));
    await vi.waitFor(() => expect(keysIn(events)).toEqual(['kept', 'kept', 'kept', 'next']));
    // The error itself is reported, not Nest's "Internal server error".
    expect(reported).toEqual(failing);
  });

  test('that throws before its first await is called again as well', async () => {
    let calls = 0;
    @Controller()
    class Router {
      @FromStream(NOTIFICATIONS, ROUTER)
      notifications(event: StreamEvent): number | undefined {
        if (event.kind !== 'assigned') return undefined;
        calls += 1;
        if (calls < 3) throw new Error('not yet');
        return 0;
      }
    }
    await serve(Router);
    await vi.waitFor(() => expect(calls).toBeGreaterThanOrEqual(4));
  });

  test('must say where a partition starts', async () => {
    const answers: (number | undefined)[] = [undefined, undefined, 0, 0];
    let isIdle = false;
    @Controller()
    class Router {
      @FromStream(NOTIFICATIONS, ROUTER)
      async notifications(event: StreamEvent): Promise<number | undefined> {
        isIdle ||= event.kind === 'idle';
        return event.kind === 'assigned' ? answers.shift() : undefined;
      }
    }
    await serve(Router);
    await vi.waitFor(() => expect(reported.map(String).join()).toContain('must say where'));
    await vi.waitFor(() => expect(isIdle).toBe(true));
  });

  test('is told what it loses before it is assigned anything again', async () => {
    const told: string[] = [];
    @Controller()
    class Router {
      @FromStream(NOTIFICATIONS, ROUTER)
      async notifications(event: StreamEvent): Promise<number | undefined> {
        if (event.kind === 'batch' || event.kind === 'idle') return undefined;
        if (event.kind === 'revoked') await new Promise((resolve) => setTimeout(resolve, 30));
        told.push(`${event.kind} ${event.partition}`);
        return 0;
      }
    }
    await serve(Router);
    await vi.waitFor(() => expect(told.length).toBe(2));
    const other = { onAssigned: async () => 0, onIdle: async () => undefined, onRevoked() {} };
    const stop = await new EmbeddedConsumer(log!).read(
      { stream: NOTIFICATIONS, group: ROUTER },
      { ...other, onBatch: async (batch) => batch.next },
    );
    await stop();
    await vi.waitFor(() =>
      expect(told).toEqual(['assigned 0', 'assigned 1', 'revoked 1', 'assigned 1']),
    );
  });

  test('shares the process with others, each with its own stream', async () => {
    const read: string[] = [];
    @Controller()
    class Router {
      @FromStream(NOTIFICATIONS, ROUTER)
      async notifications(event: StreamEvent): Promise<number | undefined> {
        if (event.kind === 'batch') read.push(`router ${event.batch.stream}`);
        return event.kind === 'assigned' ? 0 : undefined;
      }
    }
    @Controller()
    class Keeper {
      @FromStream(SUBSCRIPTIONS)
      async subscriptions(event: StreamEvent): Promise<number | undefined> {
        if (event.kind === 'batch') read.push(`keeper ${event.batch.stream}`);
        return event.kind === 'assigned' ? 0 : undefined;
      }
      @EventPattern('of another transport', Symbol('other'))
      others(_event: unknown): void {
        throw new Error('not ours');
      }
    }
    const producer = await serve(Router, Keeper);
    await producer.append(NOTIFICATIONS, 0, recordOf('n'));
    await producer.append(SUBSCRIPTIONS, 0, recordOf('s'));
    await vi.waitFor(() =>
      expect([...read].sort()).toEqual(['keeper subscriptions', 'router notifications']),
    );
  });

  test('is alone for its stream and group', async () => {
    @Controller()
    class Twice {
      @FromStream(NOTIFICATIONS, ROUTER)
      async one(): Promise<number> {
        return 0;
      }
      @FromStream(NOTIFICATIONS, ROUTER)
      async other(): Promise<number> {
        return 0;
      }
    }
    await expect(serve(Twice)).rejects.toThrow(
      'two methods are @FromStream notifications as router',
    );
  });

  test('is not called any more once the application is closed', async () => {
    let calls = 0;
    @Controller()
    class Router {
      @FromStream(NOTIFICATIONS, ROUTER)
      async notifications(event: StreamEvent): Promise<number | undefined> {
        calls += 1;
        return event.kind === 'assigned' ? 0 : undefined;
      }
    }
    const producer = await serve(Router);
    await vi.waitFor(() => expect(calls).toBeGreaterThanOrEqual(4));
    await app?.close();
    const before = calls;
    await producer.append(NOTIFICATIONS, 0, recordOf('unread'));
    expect(calls).toBe(before);
  });
});
