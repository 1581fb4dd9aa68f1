import type { SubscriptionJson } from '#client';
import type { Arrival } from './arrival.js';
import type { StepStory } from './steps.js';

/** What a push client tells the page that uses it. */
export interface WayListener {
  onArrival(arrival: Arrival): void;
  /** The service does not know the subscription any more. */
  onLost(): void;
  /** How the connection to the push service is, as far as a page can know. */
  onConnection(connection: Connection): void;
  /** What was seen of a step. */
  onStep(step: number, story: StepStory): void;
}

export type Connection =
  | { readonly kind: 'open' }
  /** The browser holds it, and tells no page. */
  | { readonly kind: 'hidden' }
  | { readonly kind: 'connecting' }
  | { readonly kind: 'waiting'; readonly retryInMs: number }
  /** Another tab has it. */
  | { readonly kind: 'elsewhere' }
  | { readonly kind: 'closed' };

/** One of the two ways that a web application can come by its pushes. */
export interface PushWay {
  /** As the page calls the push client. */
  readonly clientName: string;
  /** The subscription of an earlier visit, and its pushes from now on. */
  restore(): Promise<SubscriptionJson | undefined>;
  subscribe(applicationServerKey: string): Promise<SubscriptionJson>;
  unsubscribe(): Promise<void>;
  /** After it was displaced. */
  takeBack(): Promise<void>;
}

/** The browser's push goes through another service: this site cannot send there. */
export class ForeignService extends Error {
  constructor(
    readonly service: string,
    readonly endpoint: string,
  ) {
    super(
      `The push of this browser goes through ${service}, and this site sends through another one.`,
    );
  }
}
