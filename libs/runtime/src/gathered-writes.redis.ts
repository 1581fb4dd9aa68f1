import type { Writable } from 'node:stream';

/**
 * From now on what is written in one turn of the event loop leaves in one system call. ioredis writes each command by
 * itself, and at a few thousand commands a second those calls cost more than all the rest of it, here and in Redis.
 */
export function gatherWrites(stream: Writable): void {
  const write = stream.write.bind(stream) as Writable['write'];
  const leave = (): void => {
    stream.write = gather;
    stream.uncork();
  };
  const gather = ((...what: Parameters<Writable['write']>) => {
    stream.write = write;
    stream.cork();
    setImmediate(leave);
    return write(...what);
  }) as Writable['write'];
  stream.write = gather;
}
