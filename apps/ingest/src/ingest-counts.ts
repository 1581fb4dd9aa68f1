import { Buckets } from '#runtime';
import { REFUSALS, type RefusalName } from '#webpush';

/** What an ingest counts, as plain fields: a scrape reads them, a POST only adds. */
export class IngestCounts {
  /** Appended; a sender told 503 by the deadline may be among them. */
  accepted = 0;
  /** DELETEs appended as `cancel`. */
  canceled = 0;
  readonly refused: Record<RefusalName, number>;
  /** Connections that ended before their request was answered. */
  aborted = 0;
  /** Connections that are open. */
  connections = 0;
  /** Closed because there are as many as may be. */
  refusedConnections = 0;
  /** Answered 503 because the deadline passed. */
  late = 0;
  /** Requests whose answer is still owed. */
  inFlight = 0;
  /** Of bodies being received or appended. */
  bodyBytes = 0;
  /** Seconds from the call to the log's acknowledgement. */
  readonly appendSeconds = new Buckets();

  constructor() {
    const names = Object.keys(REFUSALS) as RefusalName[];
    this.refused = Object.fromEntries(names.map((name) => [name, 0])) as Record<
      RefusalName,
      number
    >;
  }
}
