import type { Admin, ITopicConfig } from 'kafkajs';
import { StreamCatalog } from './consumer.js';

export interface KafkaCatalogOptions {
  /** Connected. */
  readonly admin: Admin;
  readonly prefix: string;
  readonly replicationFactor: number;
  readonly minInsyncReplicas: number;
}

const DELIVERIES_KEPT_MS = 3_600_000;

/** What Kafka knows of the streams. */
export class KafkaCatalog extends StreamCatalog {
  constructor(private readonly options: KafkaCatalogOptions) {
    super();
  }

  override async end(stream: string, partition: number): Promise<number> {
    const topic = this.options.prefix + stream;
    const offsets = await this.options.admin.fetchTopicOffsets(topic);
    const found = offsets.find((one) => one.partition === partition);
    if (!found)
      throw new Error(`stream ${topic} has no partition ${partition}; run npm run streams`);
    return Number(found.high);
  }

  override async ensure(stream: string): Promise<void> {
    const topic: ITopicConfig = {
      topic: this.options.prefix + stream,
      numPartitions: 1,
      replicationFactor: this.options.replicationFactor,
      configEntries: [
        { name: 'cleanup.policy', value: 'delete' },
        { name: 'retention.ms', value: String(DELIVERIES_KEPT_MS) },
        { name: 'min.insync.replicas', value: String(this.options.minInsyncReplicas) },
      ],
    };
    // False when it exists already: that is what was wanted.
    await this.options.admin.createTopics({ topics: [topic], waitForLeaders: true });
  }
}
