import type { EnvReader } from '#runtime';

/** What a router is told from outside. */
export class RouterConfig {
  constructor(
    /** Notifications that wait for one device; beyond it the oldest is `dropped` (design §5, rule 10). */
    readonly mailboxMax: number,
  ) {}
}

export function routerConfig(env: EnvReader): RouterConfig {
  const mailboxMax = env.integer('MAILBOX_MAX', {
    default: 1_000,
    min: 1,
    max: 100_000,
    doc: 'notifications that wait for one device; beyond it the oldest is dropped',
  });
  return new RouterConfig(mailboxMax);
}
