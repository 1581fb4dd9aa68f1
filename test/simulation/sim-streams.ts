/**
 * The log as one process sees it: the ports of libs/streams, which keep what Kafka's adapters keep. A partition is
 * in one request at a time; what must be there once is refused when its answer is lost; what may be there
 * twice is repeated until it is in, in order, so it may come twice.
 */
import {
  AppendFailed,
  StreamCatalog,
  StreamConsumer,
  StreamProducer,
  type PartitionReader,
  type Reading,
  type StopReading,
  type StreamRecord,
} from '#streams';
import type { Groups } from './groups.js';
import { Turns } from './turns.js';
import type { StreamParts } from './stream-parts.js';

const REPEAT_AFTER_MS = 500;
const APPEND_DEADLINE_MS = 5_000;
const REQUEST_MAX = 5;

interface Waiting {
  readonly records: readonly StreamRecord[];
  readonly isRepeated: boolean;
  isDone: boolean;
  readonly resolve: (offset: number) => void;
  readonly reject: (error: unknown) => void;
}

export class SimProducer extends StreamProducer {
  private readonly lines = new Map<string, Line>();

  constructor(private readonly parts: StreamParts) {
    super();
  }

  override append(stream: string, partition: number, record: StreamRecord): Promise<number> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        ...{ records: [record], isRepeated: false, isDone: false },
        resolve: (offset) => {
          clearTimeout(late);
          resolve(offset);
        },
        reject,
      };
      const late = setTimeout(() => {
        fail(waiting, new AppendFailed('not acknowledged in time', true));
      }, APPEND_DEADLINE_MS);
      this.line(stream, partition).push(waiting);
    });
  }

  override async appendUntilIn(
    stream: string,
    partition: number,
    records: readonly StreamRecord[],
  ): Promise<void> {
    if (records.length === 0) return;
    await new Promise<number>((resolve, reject) => {
      this.line(stream, partition).push({
        ...{ records, isRepeated: true, isDone: false, resolve, reject },
      });
    });
  }

  private line(stream: string, partition: number): Line {
    const name = `${stream}/${partition}`;
    let line = this.lines.get(name);
    if (line === undefined) this.lines.set(name, (line = new Line(this.parts, stream, partition)));
    return line;
  }
}

/** What waits for one partition. */
class Line {
  private waiting: Waiting[] = [];
  private isBusy = false;

  constructor(
    private readonly parts: StreamParts,
    private readonly stream: string,
    private readonly partition: number,
  ) {}

  push(waiting: Waiting): void {
    this.waiting.push(waiting);
    if (!this.isBusy) this.begin();
  }

  private begin(): void {
    this.isBusy = true;
    setImmediate(() => void this.run());
  }

  private async run(): Promise<void> {
    for (let group = this.take(); group.length > 0; group = this.take()) await this.send(group);
    this.isBusy = false;
  }

  /** One kind per request. */
  private take(): readonly Waiting[] {
    this.waiting = this.waiting.filter(({ isDone }) => !isDone);
    const [first] = this.waiting;
    let count = 0;
    while (count < REQUEST_MAX && this.waiting[count]?.isRepeated === first?.isRepeated) count++;
    return this.waiting.splice(0, count);
  }

  private async send(group: readonly Waiting[]): Promise<void> {
    const { calls, log, process } = this.parts;
    const { stream, partition } = this;
    const records = group.flatMap((waiting) => waiting.records);
    const call = { process, what: 'log.append', args: [stream, partition, records] };
    try {
      const execute = async (): Promise<number> => log.append(stream, partition, records);
      let offset = (await calls.make(call, 'log', execute)) as number;
      for (const waiting of group) {
        if (!waiting.isDone) waiting.resolve(offset);
        waiting.isDone = true;
        offset += waiting.records.length;
      }
    } catch (cause) {
      const error = new AppendFailed(`append to ${stream} failed`, true, { cause });
      const again = group.filter(({ isRepeated }) => isRepeated);
      for (const waiting of group) if (!waiting.isRepeated) fail(waiting, error);
      if (again.length === 0) return;
      this.waiting = [...again, ...this.waiting];
      await new Promise((resolve) => setTimeout(resolve, REPEAT_AFTER_MS));
    }
  }
}

function fail(waiting: Waiting, error: AppendFailed): void {
  if (waiting.isDone) return;
  waiting.isDone = true;
  waiting.reject(error);
}

export class SimCatalog extends StreamCatalog {
  constructor(private readonly parts: StreamParts) {
    super();
  }

  override end(stream: string, partition: number): Promise<number> {
    const { calls, log, process } = this.parts;
    const call = { process, what: 'log.end', args: [stream, partition] };
    return calls.make(call, 'log', async () => log.of(stream, partition).next) as Promise<number>;
  }

  override async ensure(stream: string): Promise<void> {
    const { calls, log, process } = this.parts;
    const call = { process, what: 'log.ensure', args: [stream] };
    await calls.make(call, 'log', async () => log.create(stream, 1));
  }
}

export class SimConsumer extends StreamConsumer {
  constructor(
    private readonly parts: StreamParts,
    private readonly groups: Groups,
  ) {
    super();
  }

  override async read(reading: Reading, reader: PartitionReader): Promise<StopReading> {
    const { process } = this.parts;
    const { stream, group } = reading;
    if (group !== undefined) return this.groups.join(stream, { ...this.parts, reader });
    const turns = new Turns({ ...this.parts, stream, partition: 0, reader });
    this.parts.world.in(1, process, () => turns.begin(Promise.resolve()));
    return async () => {
      turns.end();
      await turns.ended;
    };
  }
}
