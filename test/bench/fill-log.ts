/** Fills the log by itself, past ingest: notifications for the connected devices, and what became of most of them. */
import { randomBytes } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import { NOTIFICATIONS, encodeAnnouncement, encodeNotification } from '#streams';
import { KafkaProducer } from '#streams.kafka';
import { KeyRing, deviceIdOf, partitionOf, rawMessageId, sealMessageId } from '#webpush';
import type { DeviceId, MessageId, SubscriptionId } from '#webpush';
import { subscriptionIdOf } from '#wire';
import { eachOf, type LoadDevices } from './load-devices.js';

export interface FillPlan {
  readonly brokers: readonly string[];
  readonly prefix: string;
  readonly partitions: number;
  readonly endpointKeys: string;
  readonly notifications: number;
  /** Of them, from the first on. */
  readonly settled: number;
  readonly bytes: number;
}
export interface FillResult {
  readonly seconds: number;
  readonly records: number;
}

interface Sent {
  readonly device: DeviceId;
  readonly id: MessageId;
  readonly offset: number;
}

/** Appends under way. */
const AT_ONCE = 2_000;

export async function fillLog({ all }: LoadDevices, plan: FillPlan): Promise<FillResult> {
  const kafka = new Kafka({ brokers: [...plan.brokers], logLevel: logLevel.NOTHING });
  const limits = { deadlineMs: 60_000, waitingBytesMax: 2 ** 28 };
  const producer = await KafkaProducer.connect({ kafka, prefix: plan.prefix, ...limits });
  const ring = KeyRing.parse(plan.endpointKeys);
  const owners = all.map(({ uaid, channelID }) => ({
    device: deviceIdOf(uaid),
    subscription: subscriptionIdOf(channelID) as SubscriptionId,
  }));
  const payload = randomBytes(plan.bytes);
  const since = performance.now();
  const append = async (i: number): Promise<Sent> => {
    const owner = owners[i % owners.length]!;
    const id = sealMessageId(ring, owner, randomBytes(12));
    const value = encodeNotification({
      ...{ ...owner, id, payload, ttlSeconds: 86_400 },
      ...{ urgency: 'normal', encoding: 'aes128gcm' },
    });
    const record = { key: rawMessageId(id), value };
    const partition = partitionOf(owner.device, plan.partitions);
    return {
      ...{ device: owner.device, id },
      offset: await producer.append(NOTIFICATIONS, partition, record),
    };
  };
  await eachOf(plan.notifications, AT_ONCE, async (i) => {
    const { device, id, offset } = await append(i);
    if (i >= plan.settled) return;
    const told = encodeAnnouncement({ device, id, offset, outcome: 'delivered', at: Date.now() });
    await producer.append(NOTIFICATIONS, partitionOf(device, plan.partitions), told);
  });
  await producer.close();
  const seconds = (performance.now() - since) / 1000;
  return { seconds, records: plan.notifications + plan.settled };
}
