/** Who this gateway is towards the others. The lease keeper changes the epoch; claims read it. */
export interface Identity {
  readonly id: string;
  /** Of the lease; random, never reused. 0: no lease yet. */
  epoch: number;
}

/** 48 random bits; 0 means none. `dice`: 0 … 1, good enough never to repeat. */
export function newEpoch(dice: () => number): number {
  return 1 + Math.floor(dice() * (2 ** 48 - 1));
}
