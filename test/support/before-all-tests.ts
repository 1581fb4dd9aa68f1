/** Once, before the first test file: what makes those that follow quicker, and needs more time than a test has. */
import { archiveKafkaClasses } from './kafka.js';

export async function setup(): Promise<void> {
  await archiveKafkaClasses();
}
