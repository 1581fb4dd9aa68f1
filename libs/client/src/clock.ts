/** Time and chance, so that a test can hold both. */
export interface Clock {
  /** ms; only differences count. */
  now(): number;
  /** Runs `action` once, unless the returned function is called before. */
  after(delayMs: number, action: () => void): () => void;
  /** 0 ≤ x < 1. */
  random(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (delayMs, action) => {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
