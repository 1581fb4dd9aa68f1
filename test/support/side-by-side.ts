/**
 * Two test files run at a time. Those that end brokers or parts of a cluster follow each other, so that seldom two of
 * them meet on two cores; the others run beside them. The order is that of the starts in these two lanes, if files
 * take what they took the last time.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const BROKERS =
  /\/test\/(([\w-]*cluster[\w-]*|faults|brokers|load\/roll)\.e2e-spec|load\.spec|contracts\/\w+\.kafka\.spec)\.ts$/;
/** Of a file that has never run. */
const GUESS_MS = { brokers: 40_000, others: 2_000 };

export class SideBySide extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const endOf = { brokers: 0, others: 0 };
    const startOf = new Map<TestSpecification, number>();
    for (const file of sorted) {
      const lane = BROKERS.test(file.moduleId) ? 'brokers' : 'others';
      const known = this.ctx.cache.getTestSpecificationResult(file)?.duration;
      startOf.set(file, endOf[lane]);
      endOf[lane] += known ?? GUESS_MS[lane];
    }
    return sorted.sort((a, b) => (startOf.get(a) ?? 0) - (startOf.get(b) ?? 0));
  }
}
