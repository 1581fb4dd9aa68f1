/**
 * Two questions of an orchestrator. Live: is restarting this process the wrong thing to do? Ready: should
 * traffic come here? A check answers with the reason why not, or with nothing.
 */
export type Check = () => string | undefined | Promise<string | undefined>;
export type Aspect = 'live' | 'ready';

export interface HealthReport {
  readonly ok: boolean;
  /** By name: `ok`, or the reason why not. */
  readonly checks: Readonly<Record<string, string>>;
}

export const CHECK_TIMEOUT_MS = 2_000;

export class Health {
  private readonly checks: Record<Aspect, Map<string, Check>> = {
    live: new Map(),
    ready: new Map(),
  };
  private state: 'starting' | 'serving' | 'draining' = 'starting';

  /** Not live means: kill me. Use it only for what a restart repairs. */
  live(name: string, check: Check): void {
    this.checks.live.set(name, check);
  }

  ready(name: string, check: Check): void {
    this.checks.ready.set(name, check);
  }

  /** Everything is open: ready as soon as the checks agree. */
  serving(): void {
    this.state = 'serving';
  }

  /**
   * The end has begun: never ready again, still live. Resolves after `noticeSeconds`, when whoever sends traffic
   * here has seen that; until then everything goes on as before. Who says it again waits for nothing.
   */
  async draining(noticeSeconds = 0): Promise<void> {
    if (this.state === 'draining') return;
    this.state = 'draining';
    await new Promise((resolve) => setTimeout(resolve, noticeSeconds * 1_000));
  }

  async report(aspect: Aspect): Promise<HealthReport> {
    const answers = await Promise.all(
      [...this.checks[aspect]].map(([name, check]) => ask(name, check)),
    );
    if (aspect === 'ready')
      answers.unshift(['service', this.state === 'serving' ? 'ok' : this.state]);
    return {
      ok: answers.every(([, answer]) => answer === 'ok'),
      checks: Object.fromEntries(answers),
    };
  }
}

/** A check that throws or hangs is a reason, not a failure of the health report. */
async function ask(name: string, check: Check): Promise<[string, string]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, CHECK_TIMEOUT_MS, `no answer within ${CHECK_TIMEOUT_MS} ms`);
  });
  try {
    return [name, (await Promise.race([check(), late])) ?? 'ok'];
  } catch (error) {
    return [name, error instanceof Error ? error.message : String(error)];
  } finally {
    clearTimeout(timer);
  }
}
