/** What was opened is closed in the opposite order, each within its time: a store that is away holds up no end. */
import type { Log } from '#runtime';

const STEP_MS_MAX = 6_000;

export class Closing {
  private readonly steps: { readonly what: string; readonly close: () => unknown }[] = [];

  constructor(private readonly log: Log) {}

  add(what: string, close: () => unknown): void {
    this.steps.push({ what, close });
  }

  /** Never rejects. */
  async run(): Promise<void> {
    for (let step = this.steps.pop(); step !== undefined; step = this.steps.pop()) {
      const { what, close } = step;
      let timer: NodeJS.Timeout | undefined;
      try {
        const late = new Promise<never>((_, reject) => {
          const say = `not closed within ${STEP_MS_MAX} ms`;
          timer = setTimeout(() => reject(new Error(say)), STEP_MS_MAX);
        });
        await Promise.race([close(), late]);
      } catch (error) {
        this.log.warn('closing failed', { what, error });
      } finally {
        clearTimeout(timer);
      }
    }
  }
}
