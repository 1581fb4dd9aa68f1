import { Observable, ReplaySubject } from 'rxjs';
import type { Exchange } from './push-sender.js';
import type { Quote } from './quote.js';

/** What became of one try to send: the application server's side of the story, shown on the page. */
export interface Report {
  readonly number: number;
  /** Absent: a push without payload. */
  readonly quote?: Quote;
  /** 1 for the first. */
  readonly attempt: number;
  /** Absent: it was given up without another try. */
  readonly exchange?: Exchange;
  /**
   * sent: accepted. waiting: tried again in `retryInMs`. removed: the endpoint is gone for good, and
   * forgotten. refused: this message is no good. dropped: too old, or too many waited.
   */
  readonly outcome: 'sent' | 'waiting' | 'removed' | 'refused' | 'dropped';
  readonly retryInMs?: number;
  /** ms. */
  readonly at: number;
}

/** A page that opens sees this many of the past. */
const REPLAYED = 20;

export class Reports {
  private readonly bySubscriber = new Map<string, ReplaySubject<Report>>();

  /** The latest, then those to come. */
  of(subscriberId: string): Observable<Report> {
    return this.subjectOf(subscriberId);
  }

  tell(subscriberId: string, report: Report): void {
    this.subjectOf(subscriberId).next(report);
    if (report.outcome !== 'removed') return;
    this.subjectOf(subscriberId).complete();
    this.bySubscriber.delete(subscriberId);
  }

  /** Ends what is open, so that the site can stop. */
  close(): void {
    for (const subject of this.bySubscriber.values()) subject.complete();
    this.bySubscriber.clear();
  }

  private subjectOf(subscriberId: string): ReplaySubject<Report> {
    const subject = this.bySubscriber.get(subscriberId) ?? new ReplaySubject<Report>(REPLAYED);
    this.bySubscriber.set(subscriberId, subject);
    return subject;
  }
}
