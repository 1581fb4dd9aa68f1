/**
 * A session reads on from its mailbox above what it sent, until a read finds nothing and nothing came
 * meanwhile: then it is level, and live deliveries go out as they come (design §5, rules 2 and 3).
 */
import type { Settler } from '#outcomes';
import { Step, type Log } from '#runtime';
import { UndecodableRecord, decodeNotification, peekNotification } from '#streams';
import type { Mailbox, MailboxEntry } from '#view';
import type { DeviceId } from '#webpush';
import type { ConnectionLimits } from './config.js';
import type { GatewayCounts } from './counts.js';
import type { Session } from './session.js';

/** Of a backlog, so much at once goes to a socket; the rest waits until the device has taken it. */
const READ_BYTES_MAX = 65_536;

export interface ReadingParts {
  readonly mailbox: Mailbox;
  readonly settler: Settler;
  /** Claims and reads again, in its turn: the store failed a read. */
  readonly claimAgain: (session: Session) => void;
  readonly limits: Pick<ConnectionLimits, 'windowMax' | 'windowBytesMax'>;
  readonly counts: GatewayCounts;
  readonly log: Log;
}

export class Reading {
  private due: Session[] = [];

  constructor(private readonly parts: ReadingParts) {}

  /** At the end of this turn of the event loop: acks that come together make room for one read. */
  soon(session: Session): void {
    if (session.readsSoon || !session.wantsRead || session.isReading) return;
    session.readsSoon = true;
    if (this.due.push(session) === 1) setImmediate(() => this.readDue());
  }

  /** Reads now, if it wants to and may; what comes while a read is under way is seen by the next. */
  on(session: Session): void {
    if (session.isReading || session.device === undefined || !this.mayRead(session)) return;
    void this.read(session, session.device);
  }

  private readDue(): void {
    const { due } = this;
    this.due = [];
    for (const session of due) {
      session.readsSoon = false;
      this.on(session);
    }
  }

  private mayRead(session: Session): boolean {
    return session.wantsRead && !session.isChoked && session.hasRoom(this.parts.limits);
  }

  private async read(session: Session, device: DeviceId): Promise<void> {
    session.isReading = true;
    while (this.mayRead(session)) {
      session.wantsRead = false;
      session.hasCome = false;
      this.parts.counts.reads++;
      let entries: readonly MailboxEntry[] | undefined;
      try {
        entries = await this.parts.mailbox.read(device, {
          above: session.lastSent,
          countMax: this.parts.limits.windowMax - (session.unacked?.length ?? 0),
          bytesMax: Math.min(
            READ_BYTES_MAX,
            this.parts.limits.windowBytesMax - session.unackedBytes,
          ),
        });
      } catch {
        this.parts.counts.readFailures++;
        session.isReading = false;
        session.wantsRead = true;
        if (!session.isClosed) this.parts.claimAgain(session);
        return;
      }
      if (session.isClosed) break;
      this.take(session, entries);
    }
    session.isReading = false;
  }

  private take(session: Session, entries: readonly MailboxEntry[] | undefined): void {
    // Not ready: it will be told, and claim and read again (rule 6). Until then it is not level.
    if (entries === undefined) session.wantsRead = session.hasCome;
    else if (entries.length > 0) this.sendAll(session, entries);
    else if (session.hasCome) session.wantsRead = true;
    // While a claim is under way nobody becomes level: its reply will ask for the read that decides.
    else if (!session.isClaiming) this.level(session);
  }

  private level(session: Session): void {
    if (!session.isLevel) this.parts.counts.backlog.observe(session.backlog);
    session.backlog = 0;
    session.isLevel = true;
  }

  private sendAll(session: Session, entries: readonly MailboxEntry[]): void {
    session.wantsRead = true;
    session.backlog += entries.length;
    if (entries.length === 1) return this.send(session, entries[0] as MailboxEntry);
    session.socket?.cork(() => {
      for (const entry of entries) this.send(session, entry);
    });
  }

  /**
   * Sends one, above what was sent and if there is room: a live delivery, perhaps with the time of its append, or
   * an entry that was read.
   */
  send(session: Session, entry: MailboxEntry, acceptedAtMs = 0): void {
    if (entry.offset <= session.lastSent || !session.hasRoom(this.parts.limits)) return;
    let notification;
    try {
      notification = decodeNotification(entry.record);
    } catch (error) {
      session.lastSent = entry.offset;
      return this.giveUp(session, entry, error);
    }
    const { offset, record } = entry;
    const { id, trace } = notification;
    const step = trace && new Step('deliver', trace);
    const sent = { id, offset, bytes: record.length, acceptedAtMs, trace: step?.context };
    session.notify(sent, notification);
    step?.end('sent');
    this.parts.counts.notificationsOut++;
    this.parts.counts.framesOut++;
  }

  /**
   * No device can ever read it: it ends here, or it would come again with every read. But what cannot even be peeked
   * at was routed by a router of a later version: it is left in the mailbox, and the next re-check sends the device
   * to look for a gateway that can read it.
   */
  private giveUp(session: Session, { offset, record }: MailboxEntry, error: unknown): void {
    const { device, partition } = session;
    this.parts.counts.undecodable++;
    const where = { partition, offset, error };
    this.parts.log.sampled('notification', 'skipped a notification that cannot be decoded', where);
    if (device === undefined || !isPeekable(record)) return;
    const { id } = peekNotification(record);
    void this.parts.settler.settle(partition, { device, offset, id, outcome: 'rejected' });
  }
}

function isPeekable(record: Buffer): boolean {
  try {
    peekNotification(record);
    return true;
  } catch (error) {
    if (error instanceof UndecodableRecord) return false;
    throw error;
  }
}
