/**
 * A member of a group for as long as it lives. kafkajs gives a consumer up for good when its broker goes at an awkward
 * moment ("Failed to find group coordinator"), and a process that ended for it would take all its devices along:
 * so another consumer takes its place. What crashes again and again without ever joining has another reason.
 */
import type { Consumer, Kafka } from 'kafkajs';
import { readBy, type Readables } from './fetch-loops.kafka.js';

const PATIENCE = { initialRetryTime: 100, maxRetryTime: 1000, retries: Number.MAX_SAFE_INTEGER };
const KNOWN_WITHIN_MS = 10_000;
const AGAIN_AFTER_MS = 1_000;
const CRASHES_MAX = 30;

export interface MembershipOptions {
  /** Of endless patience. */
  readonly kafka: Kafka;
  readonly groupId: string;
  /** The partitions of the topic that are this member's. */
  readonly readables: Readables;
  readonly sessionTimeoutMs: number;
  /** At every join, also when nothing has changed: others may have read meanwhile. */
  readonly onJoin: (partitions: readonly number[]) => void;
  /** It cannot join any more. */
  readonly onFatal: (error: Error) => void;
}

export class Membership {
  isMember = false;
  private consumer: Consumer;
  private crashes = 0;
  private isOver = false;
  private again: NodeJS.Timeout | undefined;
  private markJoined: () => void = () => undefined;

  constructor(private readonly options: MembershipOptions) {
    this.consumer = this.createConsumer();
  }

  /** Resolves when it has joined. */
  async join(): Promise<void> {
    const joined = new Promise<void>((resolve) => (this.markJoined = resolve));
    await this.run();
    await joined;
  }

  async leave(): Promise<void> {
    this.isOver = true;
    clearTimeout(this.again);
    await this.consumer.disconnect();
  }

  private createConsumer(): Consumer {
    const { kafka, groupId, sessionTimeoutMs } = this.options;
    const consumer = kafka.consumer({
      groupId,
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: Math.floor(sessionTimeoutMs / 6),
      rebalanceTimeout: 3 * sessionTimeoutMs,
      allowAutoTopicCreation: false,
      retry: { ...PATIENCE, restartOnFailure: () => Promise.resolve(!this.isOver) },
    });
    const { GROUP_JOIN, CRASH, STOP } = consumer.events;
    consumer.on(GROUP_JOIN, ({ payload }) => {
      this.isMember = true;
      this.crashes = 0;
      this.options.onJoin(payload.memberAssignment[this.options.readables.topic] ?? []);
      this.markJoined();
    });
    consumer.on(STOP, () => (this.isMember = false));
    consumer.on(CRASH, ({ payload }) => {
      this.isMember = false;
      if (!payload.restart) this.onCrash(payload.error);
    });
    return consumer;
  }

  private async run(): Promise<void> {
    const { readables } = this.options;
    await this.consumer.connect();
    await this.subscribe();
    await this.consumer.run({ autoCommit: false, eachBatch: readBy(readables) });
  }

  /** A stream that was created a moment ago is not known to every broker yet. */
  private async subscribe(): Promise<void> {
    const { topic } = this.options.readables;
    const until = performance.now() + KNOWN_WITHIN_MS;
    for (;;) {
      try {
        return await this.consumer.subscribe({ topics: [topic] });
      } catch (error) {
        if (performance.now() > until) throw error;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }

  private onCrash(error: Error): void {
    if (this.isOver) return;
    if (++this.crashes > CRASHES_MAX) return this.options.onFatal(error);
    this.again = setTimeout(() => {
      this.consumer.disconnect().catch(() => undefined);
      this.consumer = this.createConsumer();
      this.run().catch((failure: unknown) => this.onCrash(failure as Error));
    }, AGAIN_AFTER_MS);
  }
}
