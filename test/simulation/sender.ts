/** An application server: keeps the endpoints that it was given, sends, and now and then takes something back. */
import type { MessageId } from '#webpush';
import type { Scene } from './scene.js';
import type { IngestHost } from './ingest-host.js';
import type { Channel, Phone } from './phone.js';

export interface Endpoint {
  readonly phone: Phone;
  readonly channel: Channel;
  readonly receiver: string;
}

const POSTS_MAX = 60;

export class Sender {
  /** The number of the last notification. */
  count = 0;
  private readonly endpoints: Endpoint[] = [];
  private readonly accepted: MessageId[] = [];

  constructor(
    private readonly scene: Scene,
    private readonly ingests: readonly IngestHost[],
  ) {}

  given(phone: Phone, channel: Channel, endpoint: string): void {
    const receiver = endpoint.slice(endpoint.lastIndexOf('/') + 1);
    this.endpoints.push({ phone, channel, receiver });
  }

  /** To some endpoint, mostly to one that is new. */
  post(): void {
    if (this.count >= POSTS_MAX || this.endpoints.length === 0) return;
    const { dice } = this.scene.world;
    const latest = this.endpoints.slice(-4);
    const endpoint = dice.pick(dice.chance(0.85) ? latest : this.endpoints);
    const ttlSeconds = dice.pick([3_600, 3_600, 3_600, 3_600, 20, 8, 3, 0, 0]);
    const topic = dice.chance(0.35) ? dice.pick(['a', 'a', 'b']) : undefined;
    this.send(endpoint, ttlSeconds, topic);
  }

  /** One to each channel that a phone has. Returns the numbers of those that must come. */
  postToAll(phones: readonly Phone[]): readonly number[] {
    return phones.flatMap((phone) =>
      phone.channels.flatMap((channel) => {
        const endpoint = this.endpoints.findLast((one) => {
          return one.phone === phone && one.channel === channel;
        });
        const isThere = channel.endpoint?.endsWith(`/${endpoint?.receiver}`);
        return endpoint && isThere ? [this.send(endpoint, 3_600, undefined)] : [];
      }),
    );
  }

  cancel(): void {
    const { world } = this.scene;
    if (this.accepted.length === 0) return;
    const id = world.dice.pick(this.accepted.slice(-6));
    world.say('sender', () => `cancels ${world.trace?.nameOf(id)}`);
    world.dice.pick(this.ingests).cancel(id, () => undefined);
  }

  private send({ phone, receiver }: Endpoint, ttlSeconds: number, topic?: string): number {
    const { world, oracle } = this.scene;
    const number = ++this.count;
    world.say('sender', () => {
      return `posts n${number} for ${phone.name}, TTL ${ttlSeconds}${topic ? `, topic ${topic}` : ''}`;
    });
    oracle.facts.posting(number, receiver);
    const up = this.ingests.filter(({ isUp }) => isUp);
    if (up.length === 0) return number;
    world.dice.pick(up).post({ receiver, text: String(number), ttlSeconds, topic }, (answer) => {
      world.say(
        'sender',
        () => `n${number}: ${'refusal' in answer ? answer.refusal : answer.kind}`,
      );
      if (answer.kind === 'accepted') {
        world.trace?.name(answer.id, `n${number}`);
        this.accepted.push(answer.id);
      }
      oracle.answered(number, answer);
    });
    return number;
  }
}
