/** What a service knows of the others that live in its cluster. */
export abstract class LiveServices {
  /**
   * Whether another live service holds the endpoint key with this id, as far as is known. True also when it cannot
   * be known (the registry does not answer): a missing fact is not a fact, and 404 is for ever.
   */
  abstract hold(keyId: string): boolean;
}
