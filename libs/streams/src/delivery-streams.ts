/** The streams of gateways, for whoever removes those that no gateway will come back to. */
export abstract class DeliveryStreams {
  /** Ids of the gateways that have one. */
  abstract gateways(): Promise<readonly string[]>;
  /** Harmless when it is not there. Whoever still writes to it is told that the stream is missing. */
  abstract remove(gateway: string): Promise<void>;
}
