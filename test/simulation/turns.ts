/**
 * One assignment of one partition to one reader: its calls one after the other, each repeated until it succeeds or
 * the partition is taken away. What it reads it asks the log for, and gets late.
 */
import type { PartitionReader, RecordBatch } from '#streams';
import type { StreamParts } from './stream-parts.js';

const IDLE_LOOK_MS = 1_000;
const AGAIN_AFTER_MS = { first: 50, last: 2_000 };
/** From an append until a waiting reader hears of it. */
const HEARD_MS = 2;
const BATCH_MAX = 4;

export interface TurnsParts extends StreamParts {
  readonly stream: string;
  readonly partition: number;
  readonly reader: PartitionReader;
}

export class Turns {
  /** Resolves when no call is under way and none begins. */
  readonly ended: Promise<void>;
  private markEnded: () => void = () => undefined;
  private isEnded = false;
  private hasBegun = false;
  private position = 0;

  constructor(private readonly parts: TurnsParts) {
    this.ended = new Promise((resolve) => (this.markEnded = resolve));
  }

  /** @param before the end of an earlier assignment of the same partition to this reader */
  begin(before: Promise<void>): void {
    this.hasBegun = true;
    void this.run(before);
  }

  end(): void {
    this.isEnded = true;
    if (!this.hasBegun) this.markEnded();
  }

  private async run(before: Promise<void>): Promise<void> {
    const { reader, partition } = this.parts;
    await before;
    await this.turn(() => reader.onAssigned(partition));
    let idleAtMs = 0;
    while (!this.isEnded) {
      const batch = await this.fetch();
      if (this.isEnded) break;
      if (batch === 'failed') await sleep(AGAIN_AFTER_MS.first);
      else if (batch) await this.turn(() => reader.onBatch(batch));
      else if (this.parts.world.now >= idleAtMs) {
        await this.turn(() => reader.onIdle(partition));
        idleAtMs = this.parts.world.now + IDLE_LOOK_MS;
      } else await this.untilHeard(idleAtMs - this.parts.world.now);
    }
    this.markEnded();
  }

  /** undefined: read to the end. A log that does not answer is no end. */
  private async fetch(): Promise<RecordBatch | 'failed' | undefined> {
    const { calls, log, process, stream, partition, world } = this.parts;
    const from = this.position;
    // At the end of the log no call is worth it.
    if (from >= log.of(stream, partition).next) return undefined;
    const countMax = calls.isDirect ? 50 : 1 + world.dice.roll(BATCH_MAX);
    const call = { process, what: 'log.fetch', args: [stream, partition, from] };
    try {
      const execute = async () => log.fetch(stream, partition, from, countMax);
      return (await calls.make(call, 'log', execute)) as RecordBatch | undefined;
    } catch {
      return 'failed';
    }
  }

  /** Where to go on, from a call that is repeated until it succeeds. */
  private async turn(call: () => Promise<number | undefined>): Promise<void> {
    const { world, process, stream } = this.parts;
    for (let wait = AGAIN_AFTER_MS.first; !this.isEnded;) {
      try {
        const next = await call();
        if (next !== undefined) this.position = Math.max(0, next);
        return;
      } catch (error) {
        world.say(process.name, () => `reading ${stream} failed: ${String(error)}`);
      }
      await sleep(wait);
      wait = Math.min(2 * wait, AGAIN_AFTER_MS.last);
    }
  }

  private untilHeard(mostMs: number): Promise<void> {
    const { log, process, stream, partition, world } = this.parts;
    const { waiting } = log.of(stream, partition);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        waiting.delete(heard);
        resolve();
      }, mostMs);
      const heard = (): void => {
        world.in(HEARD_MS * world.dice.next(), process, () => {
          clearTimeout(timer);
          resolve();
        });
      };
      waiting.add(heard);
    });
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
