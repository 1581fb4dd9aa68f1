import type { Admin, ITopicConfig } from 'kafkajs';
import { StreamCatalog } from './consumer.js';
import { DeliveryStreams } from './delivery-streams.js';
import { patiently } from './patiently.kafka.js';
import { deliveriesOf } from './streams.js';

export interface KafkaCatalogOptions {
  /** Connected. */
  readonly admin: Admin;
  readonly prefix: string;
  readonly replicationFactor: number;
  readonly minInsyncReplicas: number;
}

const DELIVERIES_KEPT_MS = 3_600_000;
const CREATED_WITHIN_MS = 15_000;

type Ends = ReadonlyMap<number, number>;

/** What Kafka knows of the streams. */
export class KafkaCatalog extends StreamCatalog {
  private readonly asked = new Map<string, Promise<Ends>>();

  constructor(private readonly options: KafkaCatalogOptions) {
    super();
  }

  override async end(stream: string, partition: number): Promise<number> {
    const end = (await this.ends(stream)).get(partition);
    if (end !== undefined) return end;
    throw new Error(
      `stream ${this.options.prefix}${stream} has no partition ${partition}; run npm run streams`,
    );
  }

  override async ensure(stream: string): Promise<void> {
    const topic: ITopicConfig = {
      topic: this.options.prefix + stream,
      numPartitions: 1,
      replicationFactor: this.options.replicationFactor,
      configEntries: [
        { name: 'cleanup.policy', value: 'delete' },
        { name: 'retention.ms', value: String(DELIVERIES_KEPT_MS) },
        { name: 'message.timestamp.type', value: 'LogAppendTime' },
        { name: 'min.insync.replicas', value: String(this.options.minInsyncReplicas) },
      ],
    };
    await patiently(`stream ${topic.topic} cannot be created`, CREATED_WITHIN_MS, async () => {
      // False when it exists already: that is what was wanted.
      await this.options.admin.createTopics({ topics: [topic], waitForLeaders: true });
      // The broker that created it tells the others.
      await this.look(stream);
    });
  }

  /**
   * One look serves all that ask in one turn of the event loop (a router asks for each of its partitions), and nobody
   * who asks after it has begun: the answer is of now.
   */
  private ends(stream: string): Promise<Ends> {
    let ends = this.asked.get(stream);
    if (ends === undefined) {
      ends = new Promise((resolve, reject) => {
        setImmediate(() => {
          this.asked.delete(stream);
          this.look(stream).then(resolve, reject);
        });
      });
      this.asked.set(stream, ends);
    }
    return ends;
  }

  private async look(stream: string): Promise<Ends> {
    const { admin, prefix } = this.options;
    const offsets = await admin.fetchTopicOffsets(prefix + stream);
    return new Map(offsets.map(({ partition, high }) => [partition, Number(high)]));
  }
}

export class KafkaDeliveryStreams extends DeliveryStreams {
  private readonly prefix: string;

  constructor(private readonly options: Pick<KafkaCatalogOptions, 'admin' | 'prefix'>) {
    super();
    this.prefix = options.prefix + deliveriesOf('');
  }

  override async gateways(): Promise<readonly string[]> {
    const topics = await this.options.admin.listTopics();
    return topics
      .filter((topic) => topic.startsWith(this.prefix))
      .map((topic) => topic.slice(this.prefix.length));
  }

  override async remove(gateway: string): Promise<void> {
    const topic = this.prefix + gateway;
    try {
      await this.options.admin.deleteTopics({ topics: [topic] });
    } catch (error) {
      if ((await this.gateways()).includes(gateway)) throw error;
    }
  }
}
