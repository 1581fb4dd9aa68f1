/**
 * What standalone keeps on disk: the log and, unless `ENDPOINT_KEYS` is set, the keys that seal receiver ids.
 * Whoever reads them can forge endpoints, so the directory is for this user alone (design §6).
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StartRefused } from '#runtime';

/** Comma-separated like `ENDPOINT_KEYS`; new lines count as commas, so that a key can be added by an editor. */
export const KEY_FILE = 'endpoint-keys';
export const LOG_FILE = 'log.sqlite';

const KEY_BYTES = 32;
const OTHERS = 0o077;

export interface StoredKeys {
  /** As `ENDPOINT_KEYS` has them. */
  readonly keys: string;
  /** They are not in the directory yet. */
  readonly isNew: boolean;
}

/** The keys of a directory; new ones if it has none. Writes nothing. */
export function endpointKeysOf(dataDir: string): StoredKeys {
  const path = join(dataDir, KEY_FILE);
  try {
    const lines = readFileSync(path, 'utf8').split(/[\s,]+/);
    return { keys: lines.filter((line) => line !== '').join(','), isNew: false };
  } catch (cause) {
    if (isMissing(cause))
      return { keys: randomBytes(KEY_BYTES).toString('base64url'), isNew: true };
    throw refused(dataDir, `its file ${KEY_FILE} cannot be read`, cause);
  }
}

/** Makes the directory and, where they are new, keeps the keys in it. Refuses with a sentence. */
export function openDataDir(dataDir: string, stored?: StoredKeys): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    closeToOthers(dataDir);
    const path = join(dataDir, KEY_FILE);
    if (stored?.isNew) writeFileSync(path, `${stored.keys}\n`, { mode: 0o600, flag: 'wx' });
    else if (isOpenToOthers(path)) chmodSync(path, 0o600);
  } catch (cause) {
    if (cause instanceof StartRefused) throw cause;
    throw refused(dataDir, `it cannot be used (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
}

/** A directory that others use as well (a home, `/tmp`) is not closed under their feet. */
function closeToOthers(dataDir: string): void {
  if (!isOpenToOthers(dataDir)) return;
  const foreign = readdirSync(dataDir).find((name) => !isOurs(name));
  if (foreign !== undefined) {
    throw refused(
      dataDir,
      `other users may look into it, and it holds ${foreign}, which is not Heliograph's`,
    );
  }
  chmodSync(dataDir, 0o700);
}

function isOpenToOthers(path: string): boolean {
  const { mode = 0 } = statSync(path, { throwIfNoEntry: false }) ?? {};
  return (mode & OTHERS) !== 0;
}

function isOurs(name: string): boolean {
  return name === KEY_FILE || name === 'logs' || name.startsWith(LOG_FILE) || name === 'demo';
}

function isMissing(cause: unknown): boolean {
  return (cause as NodeJS.ErrnoException).code === 'ENOENT';
}

function refused(dataDir: string, why: string, cause?: unknown): StartRefused {
  const said = `DATA_DIR ${dataDir}: ${why}. Give Heliograph a directory of its own that it may write.`;
  return new StartRefused(said, { cause });
}
