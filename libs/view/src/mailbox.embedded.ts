import { Mailbox } from './mailbox.js';
import type { MailboxEntry } from './mailbox.js';
import type { EmbeddedStore } from './store.embedded.js';

export class EmbeddedMailbox extends Mailbox {
  constructor(private readonly store: EmbeddedStore) {
    super();
  }

  override read(): Promise<readonly MailboxEntry[] | undefined> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override offsets(): Promise<readonly number[] | undefined> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }
}
