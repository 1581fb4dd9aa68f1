/**
 * Streams as a Nest microservice transport, so that a controller says what it reads. Whole batches go through Nest
 * (0.03 µs a record), single records never.
 */
import { Catch, UseFilters, applyDecorators } from '@nestjs/common';
import type { RpcExceptionFilter } from '@nestjs/common';
import { EventPattern, Server } from '@nestjs/microservices';
import type { CustomTransportStrategy, MessageHandler } from '@nestjs/microservices';
import { isObservable, lastValueFrom, throwError } from 'rxjs';
import type { Observable } from 'rxjs';
import type { PartitionReader, Reading, StopReading, StreamConsumer } from './consumer.js';
import type { RecordBatch } from './record.js';

/** The calls of a {@link PartitionReader}, as one argument. */
export type StreamEvent =
  | { readonly kind: 'assigned'; readonly partition: number }
  | { readonly kind: 'batch'; readonly batch: RecordBatch }
  | { readonly kind: 'idle'; readonly partition: number }
  | { readonly kind: 'revoked'; readonly partition: number };

/** Tags the handlers, so that another strategy in the same process does not take them. */
const STREAMS_TRANSPORT = Symbol('streams');

/** Nest would log the error and hide it behind "Internal server error"; the consumer reports and repeats. */
@Catch()
class PassOn implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}

/**
 * The method reads a stream, alone or as a member of a group. It gets one {@link StreamEvent} and answers as
 * PartitionReader says: the offset to start at for `assigned`; where to go on for `batch` (undefined: behind it);
 * undefined or an offset to seek to for `idle`. One that throws is called again with the same event.
 */
export function FromStream(stream: string, group?: string): StreamMethodDecorator {
  const reading: Reading = { stream, group };
  const eventPattern = EventPattern(nameOf(reading), STREAMS_TRANSPORT, { reading });
  return applyDecorators(eventPattern as MethodDecorator, UseFilters(PassOn));
}

type Answer = number | undefined | void;
type StreamMethodDecorator = <Method extends (event: StreamEvent) => Answer | Promise<Answer>>(
  target: object,
  name: string | symbol,
  descriptor: TypedPropertyDescriptor<Method>,
) => void;

/** `app.connectMicroservice({ strategy: new StreamTransport(consumer) })`. */
export class StreamTransport extends Server implements CustomTransportStrategy {
  override readonly transportId = STREAMS_TRANSPORT;
  private stops: readonly StopReading[] = [];

  constructor(private readonly consumer: StreamConsumer) {
    super();
  }

  override async listen(onListening: (error?: unknown) => void): Promise<void> {
    try {
      const handlers = [...this.messageHandlers.values()];
      this.stops = await Promise.all(handlers.map((handler) => this.read(handler)));
      onListening();
    } catch (error) {
      onListening(error);
    }
  }

  /** Resolves when no handler is called any more. */
  override async close(): Promise<void> {
    await Promise.all(this.stops.map((stop) => stop()));
    this.stops = [];
  }

  override on(): never {
    throw new Error('a stream transport has no events');
  }

  override unwrap<T>(): T {
    return this.consumer as T;
  }

  private read(handler: MessageHandler): Promise<StopReading> {
    const reading: Reading = handler.extras?.reading;
    if (handler.next) throw new Error(`two methods are @FromStream ${nameOf(reading)}`);
    return this.consumer.read(reading, new HandlerReader(handler, nameOf(reading)));
  }
}

class HandlerReader implements PartitionReader {
  /** onRevoked cannot wait, so the next assignment does. */
  private revoking: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly handler: MessageHandler,
    private readonly name: string,
  ) {}

  async onAssigned(partition: number): Promise<number> {
    await this.revoking;
    const start = await this.call({ kind: 'assigned', partition });
    if (start !== undefined) return start;
    throw new Error(`the reader of ${this.name} must say where partition ${partition} starts`);
  }

  async onBatch(batch: RecordBatch): Promise<number> {
    return (await this.call({ kind: 'batch', batch })) ?? batch.next;
  }

  onIdle(partition: number): Promise<number | undefined> {
    return this.call({ kind: 'idle', partition });
  }

  onRevoked(partition: number): void {
    const told = this.call({ kind: 'revoked', partition }).catch((error: unknown) => {
      console.error(`the reader of ${this.name} failed when it lost ${partition}`, error);
    });
    this.revoking = Promise.all([this.revoking, told]);
  }

  /**
   * When a handler throws, Nest's proxy resolves, with an Observable that errors: whoever only awaits it takes
   * the batch for done and loses it.
   */
  private async call(event: StreamEvent): Promise<number | undefined> {
    const outcome: unknown = await this.handler(event);
    const answer: unknown = isObservable(outcome)
      ? await lastValueFrom(outcome, { defaultValue: undefined })
      : outcome;
    if (answer === undefined || typeof answer === 'number') return answer;
    throw new Error(`the reader of ${this.name} answered ${event.kind} with ${String(answer)}`);
  }
}

function nameOf({ stream, group }: Reading): string {
  return group === undefined ? stream : `${stream} as ${group}`;
}
