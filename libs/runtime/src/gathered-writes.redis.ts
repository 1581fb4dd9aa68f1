import type { Writable } from 'node:stream';

/**
 * From now on what is written in one turn of the event loop leaves in one system call. ioredis writes each command by
 * itself, and at a few thousand commands a second those calls cost more than all the rest of it, here and in Redis.
 * With `everyMs`, calls are at least so far apart, to the millisecond of a timer: what comes after a while of quiet
 * still leaves at once.
 */
export function gatherWrites(stream: Writable, everyMs = 0): void {
  const write = stream.write.bind(stream) as Writable['write'];
  let leftAt = -Infinity;
  const leave = (): void => {
    leftAt = performance.now();
    stream.write = gather;
    stream.uncork();
  };
  const gather = ((...what: Parameters<Writable['write']>) => {
    stream.write = write;
    stream.cork();
    const waitMs = leftAt + everyMs - performance.now();
    // Up: Node cuts fractions off.
    if (waitMs > 0) setTimeout(leave, Math.ceil(waitMs));
    else setImmediate(leave);
    return write(...what);
  }) as Writable['write'];
  stream.write = gather;
}
