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
import type { Command, Settlement } from './partition-view.js';
import type { Holder } from './presence.js';
import type { Argument } from './script.redis.js';
import type { SubscriptionChange } from './subscriptions-view.js';

const NOTHING = Buffer.alloc(0);
const DEVICE_BYTES = 16;

/** In keys, members and arguments an id is its 16 bytes. */
export function bytesOf(id: DeviceId | SubscriptionId): Buffer {
  return Buffer.from(id, 'hex');
}

export function deviceOf(bytes: Buffer, from = 0): DeviceId {
  return bytes.toString('hex', from) as DeviceId;
}

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
      into.push('p', offset, at, ttlSeconds, bytesOf(device), headOf(command));
      into.push(ttlSeconds === 0 ? NOTHING : command.record);
    } else if (command.kind === 'outcome') {
      into.push('o', bytesOf(command.device), command.target, command.outcome);
    } else {
      into.push('c', bytesOf(command.device), command.id);
    }
  }
}

/** The devices in one, then `<offset> <outcome>` of each in one: beside bytes each argument costs ioredis dearly. */
export function packSettlements(settlements: readonly Settlement[]): readonly Argument[] {
  const devices = Buffer.allocUnsafe(settlements.length * DEVICE_BYTES);
  let text = '';
  settlements.forEach(({ device, offset, outcome }, i) => {
    devices.write(device, i * DEVICE_BYTES, 'hex');
    text += `${offset} ${outcome} `;
  });
  return [devices, text];
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

/** `<offset> <outcome> <at> <id> ` and the device, as they stand in the outbox. */
export function unpackAnnouncements(lines: readonly Buffer[]): readonly Announcement[] {
  return lines.map((line) => {
    const end = line.length - DEVICE_BYTES;
    const [offset, outcome, at, id] = line.toString('latin1', 0, end - 1).split(' ');
    return {
      offset: Number(offset),
      device: deviceOf(line, end),
      outcome: outcome as Outcome,
      at: Number(at),
      id: id as MessageId,
    };
  });
}

/** 16 bytes of device, u48 epoch, u56 connection (too long for one number of Buffer), gateway. */
export function packClaim(device: DeviceId, { epoch, connection, gateway }: Holder): Buffer {
  const claim = Buffer.allocUnsafe(29 + Buffer.byteLength(gateway));
  claim.write(device, 0, 'hex');
  claim.writeUIntBE(epoch, 16, 6);
  claim.writeUInt32BE(Math.floor(connection / 2 ** 24), 22);
  claim.writeUIntBE(connection % 2 ** 24, 26, 3);
  claim.write(gateway, 29);
  return claim;
}

/** u48 epoch, u48 since, u56 connection, gateway; undefined for nobody. */
export function unpackHolder(held: Buffer | null): Holder | undefined {
  if (!held?.length) return undefined;
  return {
    gateway: held.toString('utf8', 19),
    epoch: held.readUIntBE(0, 6),
    connection: held.readUInt32BE(12) * 2 ** 24 + held.readUIntBE(16, 3),
  };
}

/** kind offset device subscription value, see `lua-subscriptions.redis.ts`. */
export function packChange(change: SubscriptionChange): readonly Argument[] {
  const { offset } = change;
  const device = bytesOf(change.device);
  switch (change.kind) {
    case 'present': {
      const { subscription, fingerprint = '', site = '' } = change;
      const value = fingerprint || site ? `${offset}\0${fingerprint}\0${site}` : offset;
      return ['P', offset, device, bytesOf(subscription), value];
    }
    case 'gone':
      return ['G', offset, device, bytesOf(change.subscription), ''];
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
  if (!entry || entry.startsWith('G')) return undefined;
  const [, fingerprint, site] = entry.split('\0');
  return {
    subscription,
    ...(fingerprint ? { fingerprint: fingerprint as KeyFingerprint } : {}),
    ...(site ? { site } : {}),
  };
}
