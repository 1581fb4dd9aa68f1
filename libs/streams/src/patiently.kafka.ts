const AGAIN_AFTER_MS = 200;

/**
 * For questions and requests about streams: a broker that has just come up, or whose controller moves, has no leaders
 * for a moment and refuses what it will do a second later. Rejects with the last refusal, in words.
 */
export async function patiently<T>(
  what: string,
  withinMs: number,
  ask: () => Promise<T>,
): Promise<T> {
  const until = performance.now() + withinMs;
  for (;;) {
    try {
      return await ask();
    } catch (cause) {
      if (performance.now() > until) throw new Error(`${what}: ${saidBy(cause)}`, { cause });
      await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER_MS));
    }
  }
}

/** kafkajs gathers the refusals of several streams in one error without a word of theirs. */
function saidBy(error: unknown): string {
  const { errors } = error as { readonly errors?: readonly Error[] };
  return errors?.map(({ message }) => message).join('; ') ?? String(error);
}
