/** How the scripts are told and what they answer. */
import type {
  Announcement,
  DeviceId,
  KeyFingerprint,
  MessageId,
  Outcome,
  Subscription,
  SubscriptionId,
} from '#webpush';
import type { MailboxEntry } from './mailbox.js';
import type { Command } from './partition-view.js';
import type { Holder } from './presence.js';
import type { Argument } from './redis-scripts.redis.js';
import type { SubscriptionChange } from './subscriptions-view.js';

const NOTHING = Buffer.alloc(0);

/** head = 16 bytes of subscription, u8 length and message id, u8 length and topic (both ASCII). */
function headOf({ subscription, id, topic = '' }: Extract<Command, { kind: 'put' }>): Buffer {
  const head = Buffer.allocUnsafe(18 + id.length + topic.length);
  head.write(subscription, 0, 'hex');
  head[16] = id.length;
  head.write(id, 17, 'latin1');
  head[17 + id.length] = topic.length;
  head.write(topic, 18 + id.length, 'latin1');
  return head;
}

/** `p` offset at ttl device head record · `o` device target outcome · `c` device id. */
export function packCommands(commands: readonly Command[], into: Argument[]): void {
  for (const command of commands) {
    if (command.kind === 'put') {
      const { offset, at, ttlSeconds, device } = command;
      into.push('p', offset, at, ttlSeconds, device, headOf(command));
      into.push(ttlSeconds === 0 ? NOTHING : command.record);
    } else if (command.kind === 'outcome') {
      into.push('o', command.device, command.target, command.outcome);
    } else {
      into.push('c', command.device, command.id);
    }
  }
}

/** Offset, value, offset, value … with the heads still on. */
export function unpackEntries(answer: readonly Buffer[]): readonly MailboxEntry[] {
  const entries: MailboxEntry[] = [];
  for (let i = 0; i + 1 < answer.length; i += 2) {
    const value = answer[i + 1] ?? NOTHING;
    const idLength = value[16] ?? 0;
    const topicLength = value[17 + idLength] ?? 0;
    const record = value.subarray(18 + idLength + topicLength);
    entries.push({ offset: Number(answer[i]), record });
  }
  return entries;
}

/** `<offset> <device> <outcome> <at> <id>`, as they stand in the outbox. */
export function unpackAnnouncements(lines: readonly string[]): readonly Announcement[] {
  return lines.map((line) => {
    const [offset, device, outcome, at, id] = line.split(' ');
    return {
      offset: Number(offset),
      device: device as DeviceId,
      outcome: outcome as Outcome,
      at: Number(at),
      id: id as MessageId,
    };
  });
}

/** `<epoch> <connection> <since> <gateway>`; undefined for nobody. */
export function unpackHolder(text: string | null): Holder | undefined {
  const [, epoch, connection, gateway] = /^(\d+) (\d+) \d+ (.*)$/.exec(text ?? '') ?? [];
  if (gateway === undefined) return undefined;
  return { gateway, epoch: Number(epoch), connection: Number(connection) };
}

/** kind offset device subscription value, see `lua-subscriptions.redis.ts`. */
export function packChange(change: SubscriptionChange): readonly Argument[] {
  const { offset, device } = change;
  switch (change.kind) {
    case 'present': {
      const { subscription, fingerprint = '', site = '' } = change;
      const value = `P${offset}\0${fingerprint}\0${site}`;
      return ['P', offset, device, Buffer.from(subscription, 'hex'), value];
    }
    case 'gone':
      return ['G', offset, device, Buffer.from(change.subscription, 'hex'), ''];
    case 'seen':
      return ['S', offset, device, '', change.at];
    case 'forgotten':
      return ['F', offset, device, '', ''];
  }
}

/** undefined for nothing and for a `gone`. */
export function unpackSubscription(
  subscription: SubscriptionId,
  entry: string | null,
): Subscription | undefined {
  if (!entry?.startsWith('P')) return undefined;
  const [, fingerprint, site] = entry.split('\0');
  return {
    subscription,
    ...(fingerprint ? { fingerprint: fingerprint as KeyFingerprint } : {}),
    ...(site ? { site } : {}),
  };
}
