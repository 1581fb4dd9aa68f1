export const NODE_MAJOR_MIN = 22;

/** The sentence for a Node that is too old, or undefined. */
export function nodeRefusal(version: string = process.versions.node): string | undefined {
  if (Number(version.split('.')[0]) >= NODE_MAJOR_MIN) return undefined;
  return `Heliograph needs Node ${NODE_MAJOR_MIN} or newer; this is Node ${version}. Start it by npm, which brings one on Linux, or install Node ${NODE_MAJOR_MIN}.`;
}

/**
 * `node:sqlite` is built in and warns that it is experimental. Drops just that warning; call it before the
 * first dynamic import of a module that imports `node:sqlite` (static imports are hoisted over the call).
 */
export function hideSqliteWarning(): void {
  const { emitWarning } = process;
  process.emitWarning = ((warning: string | Error, ...rest: unknown[]) => {
    if (String(warning).includes('SQLite is an experimental feature')) return;
    Reflect.apply(emitWarning, process, [warning, ...rest]);
  }) as typeof process.emitWarning;
}
