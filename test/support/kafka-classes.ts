/**
 * Java starts a broker twice as fast when its classes come from an archive that Java wrote as an earlier broker ended
 * (AppCDS). It lies beside the jars; one that does not fit them any more is left unread. Where none is there and none
 * can be written brokers start without.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** The jars' folder. */
export const KAFKA_LIB = process.env.TEST_KAFKA_LIB ?? '';
const ARCHIVE = join(KAFKA_LIB, 'broker-classes.jsa');

/** A flag for Java, or none. */
export function archivedClasses(): readonly string[] {
  return existsSync(ARCHIVE) ? [`-XX:SharedArchiveFile=${ARCHIVE}`] : [];
}

/** `runToEnd`: a broker with that flag, until it has started, and then until it has ended by SIGTERM. */
export async function archiveClasses(runToEnd: (flag: string) => Promise<void>): Promise<void> {
  if (KAFKA_LIB === '' || existsSync(ARCHIVE)) return;
  // Whole or not at all: another run of the tests may be about to read it.
  const written = `${ARCHIVE}.${process.pid}`;
  try {
    await runToEnd(`-XX:ArchiveClassesAtExit=${written}`);
    renameSync(written, ARCHIVE);
  } catch {
    rmSync(written, { force: true });
  }
}
