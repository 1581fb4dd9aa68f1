import { openReceiverId, type MessageId } from '#webpush';
import { IngestCounts } from '../../apps/ingest/src/ingest-counts.js';
import { Ingest, type Answer } from '../../apps/ingest/src/ingest.js';
import { ENDPOINT_URL } from './scene.js';
import { Host, type Running } from './host.js';
import { errorText, type SimProcess } from './world.js';

/** What a sender gives to a POST. */
export interface Post {
  readonly receiver: string;
  readonly text: string;
  readonly ttlSeconds: number;
  readonly topic: string | undefined;
}

/**
 * An ingest as its module makes it, without HTTP and without signatures: neither has to do with what becomes of
 * a notification.
 */
export class IngestHost extends Host {
  private ingest: Ingest | undefined;

  protected override async boot(process: SimProcess): Promise<Running> {
    const { lookup, producer, log } = this.scene.portsOf(process);
    this.ingest = new Ingest(
      { lookup, producer },
      {
        keyRing: this.scene.keyRing,
        publicEndpointUrl: ENDPOINT_URL,
        partitions: this.scene.plan.partitions,
        payloadBytesMax: 4_096,
        ttlSecondsMax: 86_400,
        vapidTokensMax: 10,
        log,
      },
      new IngestCounts(),
    );
    return { stop: () => Promise.resolve() };
  }

  post({ receiver, text, ttlSeconds, topic }: Post, told: (answer: Answer) => void): void {
    this.ask(told, (ingest) => {
      const opened = openReceiverId(this.scene.keyRing, receiver);
      if (opened.kind !== 'opened') throw new Error(`${receiver} does not open`);
      const fields = { ttl: String(ttlSeconds), topic, contentEncoding: 'aes128gcm' };
      return ingest.accept(opened, fields, Buffer.from(text));
    });
  }

  cancel(id: MessageId, told: (answer: Answer) => void): void {
    this.ask(told, (ingest) => ingest.cancel(id));
  }

  private ask(told: (answer: Answer) => void, work: (ingest: Ingest) => Promise<Answer>): void {
    const { process, ingest } = this;
    const { world } = this.scene;
    if (!this.isUp || !process || !ingest) return;
    world.in(world.dice.about(2), process, () => {
      work(ingest).then(
        (answer) => void world.in(world.dice.about(2), undefined, () => told(answer)),
        (error: unknown) => world.violate('CRASH', `a POST threw ${errorText(error)}`),
      );
    });
  }
}
