import type { EnvReader } from '#runtime';

/** One notification of the largest size that any setting allows has room in every mailbox. */
const MAILBOX_BYTES_MIN = 131_072;

/** What a router is told from outside. */
export class RouterConfig {
  constructor(
    /** Notifications that wait for one device; beyond it the oldest is `dropped` (design §5, rule 10). */
    readonly mailboxMax: number,
    /** Bytes of their records. */
    readonly mailboxBytesMax: number,
  ) {}
}

export function routerConfig(env: EnvReader): RouterConfig {
  const mailboxMax = env.integer('MAILBOX_MAX', {
    default: 1_000,
    min: 1,
    max: 100_000,
    doc: 'notifications that wait for one device; beyond it the oldest is dropped',
  });
  const mailboxBytesMax = env.integer('MAILBOX_BYTES_MAX', {
    default: 4_194_304,
    min: MAILBOX_BYTES_MIN,
    max: 1_073_741_824,
    doc: 'bytes that wait for one device; beyond it the oldest is dropped',
  });
  return new RouterConfig(mailboxMax, mailboxBytesMax);
}
