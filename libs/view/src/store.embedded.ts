/** The view of every partition in memory: lost as a whole when the process ends, rebuilt from the log at start. */
export interface EmbeddedStoreOptions {
  readonly partitions: number;
  /** Notifications per device; beyond it the oldest is dropped. */
  readonly mailboxMax: number;
  /** Bytes of records per device; default 4 MiB. */
  readonly mailboxBytesMax?: number;
  /** ms since the epoch. */
  readonly clock?: () => number;
  /** 0 … 1; for view ids. */
  readonly dice?: () => number;
}

export class EmbeddedStore {
  constructor(readonly options: EmbeddedStoreOptions) {}
}
