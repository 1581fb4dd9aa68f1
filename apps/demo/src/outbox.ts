import type { PushMessage } from './push-sender.js';

/** A message that waits to be sent again. */
export interface Waiting {
  readonly subscriberId: string;
  readonly number: number;
  readonly message: PushMessage;
  /** ms; with the TTL it says when there is no purpose any more. */
  readonly madeAt: number;
  /** Tries that failed. */
  readonly failures: number;
  readonly dueAt: number;
}

/**
 * What could not be sent for now. Bounded: the oldest makes room. A message with a topic replaces the waiting
 * one of the same subscriber and topic, as it would at the push service.
 */
export class Outbox {
  private waiting: Waiting[] = [];

  constructor(private readonly max = 500) {}

  get size(): number {
    return this.waiting.length;
  }

  /** Answers what had to make room. */
  add(entry: Waiting): readonly Waiting[] {
    const { topic } = entry.message;
    const isReplaced = (other: Waiting): boolean =>
      topic !== undefined &&
      other.subscriberId === entry.subscriberId &&
      other.message.topic === topic;
    const removed = this.remove(isReplaced);
    // A message that is tried once more is not newer than what replaced it meanwhile.
    const newest = [...removed, entry].reduce((a, b) => (b.number > a.number ? b : a));
    this.waiting.push(newest);
    return [...removed, entry].filter((one) => one !== newest).concat(this.overflow());
  }

  /** Takes out what is due, oldest first. */
  due(now: number): readonly Waiting[] {
    return this.remove(({ dueAt }) => dueAt <= now);
  }

  nextDueAt(): number | undefined {
    return this.size === 0 ? undefined : Math.min(...this.waiting.map(({ dueAt }) => dueAt));
  }

  forget(subscriberId: string): void {
    this.remove((one) => one.subscriberId === subscriberId);
  }

  private overflow(): Waiting[] {
    this.waiting.sort((a, b) => a.number - b.number);
    return this.waiting.splice(0, Math.max(0, this.waiting.length - this.max));
  }

  private remove(isGone: (entry: Waiting) => boolean): readonly Waiting[] {
    const removed = this.waiting.filter(isGone);
    if (removed.length > 0) this.waiting = this.waiting.filter((one) => !isGone(one));
    return removed.sort((a, b) => a.number - b.number);
  }
}
