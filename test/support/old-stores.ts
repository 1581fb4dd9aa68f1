/** Servers that say they are of a release which we do not support: as much of Kafka and Redis as it takes to say so. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export interface OldStore {
  /** `host:port`. */
  readonly at: string;
  close(): Promise<void>;
}

/** Takes these versions of requests, by their numbers, and answers nothing but the question for them. */
export function kafkaThatTakes(versions: Readonly<Record<number, readonly [number, number]>>) {
  const rows = Object.entries(versions).map(([number, range]) => {
    const row = Buffer.alloc(6);
    [Number(number), ...range].forEach((value, i) => row.writeUInt16BE(value, 2 * i));
    return row;
  });
  return listening((socket) => {
    socket.once('data', (request) => {
      const isAsked = request.readInt16BE(4) === 18 && request.readInt16BE(6) === 0;
      if (!isAsked) return socket.destroy();
      const head = Buffer.alloc(14);
      head.writeInt32BE(10 + 6 * rows.length, 0);
      request.copy(head, 4, 8, 12);
      head.writeUInt32BE(rows.length, 10);
      const answer = Buffer.concat([head, ...rows]);
      // In two parts, as a network may.
      socket.write(answer.subarray(0, 9));
      setTimeout(() => socket.write(answer.subarray(9)), 20);
    });
  });
}

export function redisOfVersion(version: string): Promise<OldStore> {
  const info = `redis_version:${version}\r\nredis_mode:standalone\r\nloading:0\r\n`;
  const told = `$${info.length}\r\n${info}\r\n`;
  return listening((socket) => {
    socket.on('data', (bytes) => {
      const calls = bytes.toString('latin1').split(/^\*\d+\r\n/m);
      for (const call of calls.slice(1)) socket.write(/\binfo\b/i.test(call) ? told : '+OK\r\n');
    });
  });
}

async function listening(serve: (socket: Socket) => void): Promise<OldStore> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    at: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
