import type { StreamRecord } from './record.js';

/** An append that was not acknowledged. When `isFateUnknown` the record may be in the log all the same. */
export class AppendFailed extends Error {
  override readonly name = 'AppendFailed';
  constructor(
    message: string,
    readonly isFateUnknown: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * Appends to streams. Adapters gather the calls of one turn of the event loop into one durable append
 * (group commit, micro-batch); callers call once per record and need not batch.
 */
export abstract class StreamProducer {
  /**
   * Once, durably: resolves with the record's offset when every in-sync replica (embedded: the disk) has
   * it. Never repeats an append whose fate is unknown (design §5, rule 1). Rejects with
   * {@link AppendFailed}, also when its own deadline passes.
   */
  abstract append(stream: string, partition: number, record: StreamRecord): Promise<number>;

  /**
   * Until it is in: for announcements and deliveries, whose doubles are harmless. Resolves when all are
   * in, in the given order; repeats while the log is away; rejects only when the producer is closed.
   */
  abstract appendUntilIn(
    stream: string,
    partition: number,
    records: readonly StreamRecord[],
  ): Promise<void>;
}
