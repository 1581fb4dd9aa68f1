import type { Admin } from 'kafkajs';
import { StartRefused } from '#runtime';

/**
 * A broker lists only what its user may see, so a right that is missing looks like a stream that is. Rejects with a
 * sentence when it is the right.
 */
export async function refuseUnseen(
  admin: Pick<Admin, 'fetchTopicMetadata'>,
  { topics, user }: { readonly topics: readonly string[]; readonly user: string | undefined },
): Promise<void> {
  for (const topic of topics) {
    try {
      await admin.fetchTopicMetadata({ topics: [topic] });
    } catch (error) {
      if (!isUnauthorized(error)) continue; // what else is wrong with it is looked at next
      throw new StartRefused(
        `Kafka does not let the user ${user ?? 'ANONYMOUS'} see ${topic}: it needs the rights that the README ` +
          `lists under Security.`,
        { cause: error },
      );
    }
  }
}

function isUnauthorized(error: unknown): boolean {
  return (error as { readonly type?: unknown }).type === 'TOPIC_AUTHORIZATION_FAILED';
}
