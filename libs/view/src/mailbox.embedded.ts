import type { DeviceId } from '#webpush';
import type { Pending } from './device.embedded.js';
import { Mailbox } from './mailbox.js';
import type { MailboxEntry, ReadLimits } from './mailbox.js';
import type { EmbeddedStore } from './store.embedded.js';

export class EmbeddedMailbox extends Mailbox {
  constructor(private readonly store: EmbeddedStore) {
    super();
  }

  override read(
    device: DeviceId,
    limits: ReadLimits,
  ): Promise<readonly MailboxEntry[] | undefined> {
    const { mark, devices, expiry } = this.store.partitionOf(device);
    if (mark?.state !== 'ready') return Promise.resolve(undefined);
    const read: MailboxEntry[] = [];
    const mail = devices.get(device)?.mail;
    if (!mail) return Promise.resolve(read);
    const now = this.store.now();
    let bytes = 0;
    // What is due is passed over, however many lie before a live one.
    for (let i = mail.indexAbove(limits.above); i < mail.box.length; i++) {
      const entry = mail.box[i] as Pending;
      if (expiry.timeOf(entry) <= now) continue;
      bytes += entry.record.length;
      if (read.length === limits.countMax || (read.length > 0 && bytes > limits.bytesMax)) break;
      read.push({ offset: entry.offset, record: entry.record });
    }
    return Promise.resolve(read);
  }

  override offsets(device: DeviceId): Promise<readonly number[] | undefined> {
    const { mark, devices, expiry } = this.store.partitionOf(device);
    if (mark?.state !== 'ready') return Promise.resolve(undefined);
    const now = this.store.now();
    const offsets: number[] = [];
    for (const entry of devices.get(device)?.mail?.box ?? []) {
      if (expiry.timeOf(entry) > now) offsets.push(entry.offset);
    }
    return Promise.resolve(offsets);
  }
}
