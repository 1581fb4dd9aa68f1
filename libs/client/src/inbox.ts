/**
 * The way of a notification through the client: decrypted and shown in the order of the wire, remembered
 * when its listeners are done, and only then acked. So a message that comes again (its ack was lost with
 * the connection) is acked as it was the first time, and not shown twice. One that was being shown when the
 * process ended was not acked: it is shown again, since losing it would be worse.
 */
import { encodeClientMessage, type AckCode, type AckUpdate, type ServerMessage } from '#wire';
import { fromBase64url } from './base64url.js';
import { decrypt } from './decrypt.js';
import type { Device } from './device.js';
import { PushData, PushEvent } from './events.js';
import type { Subscription } from './subscription.js';

type NotificationMessage = Extract<ServerMessage, { readonly messageType: 'notification' }>;

/** What the inbox needs of its client. */
export interface InboxUser {
  show(event: PushEvent): void;
  send(text: string): void;
  failed(error: unknown): void;
}

export class Inbox {
  private order: Promise<void> = Promise.resolve();
  private readonly beingShown = new Set<string>();
  private readonly acks: AckUpdate[] = [];
  private isAcking = false;

  constructor(
    private readonly device: Device,
    private readonly user: InboxUser,
  ) {}

  onNotification(message: NotificationMessage): void {
    this.order = this.order.then(() => this.show(message));
  }

  /** Ends when the listeners have been called, not when they are done: the next one may be shown. */
  private async show({ channelID, version, data, headers }: NotificationMessage): Promise<void> {
    const subscription = this.device.subscriptions.get(channelID);
    const known = subscription ? subscription.settled.codeOf(version) : 102;
    if (!subscription || known) return this.ack({ channelID, version, code: known ?? 102 });
    // It came again while its listeners run: the ack at their end goes to the connection of then.
    if (this.beingShown.has(version)) return;
    this.beingShown.add(version);
    try {
      const encoding = headers?.encoding ?? '';
      const payload =
        data === undefined
          ? null
          : await decrypt(await subscription.receiverKeys(), fromBase64url(data), {
              ...headers,
              encoding,
            });
      const event = new PushEvent(payload && new PushData(payload), subscription, version);
      this.user.show(event);
      void event.succeeded().then((isDone) => this.settle(event, isDone ? 100 : 102));
    } catch {
      this.settle({ subscription, messageId: version }, 101);
    }
  }

  private settle(
    { subscription, messageId: version }: { subscription: Subscription; messageId: string },
    code: AckCode,
  ): void {
    this.beingShown.delete(version);
    subscription.settled.add(version, code);
    this.ack({ channelID: subscription.stored.channelID, version, code });
  }

  private ack(update: AckUpdate): void {
    this.acks.push(update);
    if (!this.isAcking) void this.ackAll();
  }

  /**
   * What settles during one write shares the next. After a write that failed it is acked all the same: it
   * was shown.
   */
  private async ackAll(): Promise<void> {
    this.isAcking = true;
    while (this.acks.length > 0) {
      const updates = this.acks.splice(0);
      await this.device.save().catch((error: unknown) => this.user.failed(error));
      this.user.send(encodeClientMessage({ messageType: 'ack', updates }));
    }
    this.isAcking = false;
  }
}
