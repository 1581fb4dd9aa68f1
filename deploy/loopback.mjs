/**
 * For containers whose peers are told a loopback address: `LOOPBACK=8081=haproxy:8081` makes 127.0.0.1:8081 inside of
 * this container that of another. Loaded before the service with `node --import`.
 */
import { connect, createServer } from 'node:net';

for (const rule of (process.env.LOOPBACK ?? '').split(',').filter(Boolean)) {
  const [, here, host, there] = /^(\d+)=([\w.-]+):(\d+)$/.exec(rule) ?? [];
  if (here === undefined) throw new Error(`LOOPBACK: ${rule} must look like 8081=haproxy:8081`);
  createServer((inner) => {
    const outer = connect(Number(there), host);
    const end = () => {
      inner.destroy();
      outer.destroy();
    };
    for (const socket of [inner, outer]) socket.setNoDelay(true).on('error', end).on('close', end);
    inner.pipe(outer).pipe(inner);
  })
    .listen(Number(here), '127.0.0.1')
    .unref();
}
