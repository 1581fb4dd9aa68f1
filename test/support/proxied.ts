/** Raw requests from any loopback address, with whatever a proxy or a liar puts before them. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface Raw {
  /** A service's origin, `http://host:port`. */
  readonly to: string;
  /** The address that the service sees as its peer. */
  readonly from: string;
  /** Bytes before the request: see {@link proxyHeader}. */
  readonly before?: Buffer;
  /** PEM: the request goes over TLS, by this authority. */
  readonly ca?: string;
  /** Bytes before the handshake. */
  readonly beforeTls?: Buffer;
  readonly line: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly patienceMs?: number;
}

export interface RawAnswer {
  /** NaN: the connection ended without an answer, or none came in time. */
  readonly status: number;
  readonly text: string;
  /** Ends the connection. */
  close(): void;
}

/** Sends it on a connection of its own, which stays open, and resolves with the head of the answer. */
export async function raw(request: Raw): Promise<RawAnswer> {
  const { to, from, before, line, headers, body = '', patienceMs = 5_000 } = request;
  const { hostname, port, host } = new URL(to);
  const plain = connect({ host: hostname, port: Number(port), localAddress: from });
  let text = '';
  await once(plain, 'connect');
  plain.on('error', () => undefined);
  if (request.beforeTls) plain.write(request.beforeTls);
  const { ca } = request;
  const socket = ca === undefined ? plain : connectTls({ socket: plain, ca, host: hostname });
  socket.on('error', () => undefined);
  const answered = new Promise<void>((resolve) => {
    socket.on('close', () => resolve());
    setTimeout(resolve, patienceMs).unref();
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      if (text.includes('\r\n\r\n')) resolve();
    });
  });
  const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}`);
  if (before) socket.write(before);
  socket.write(`${line} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
  await answered;
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? NaN);
  return { status, text, close: () => void plain.destroy() };
}

/** PROXY protocol, version 2: a TCP connection over IPv4 or IPv6. */
export function proxyHeader(client: string): Buffer {
  const isV6 = client.includes(':');
  const address = isV6 ? v6Bytes(client) : Buffer.from(client.split('.').map(Number));
  const ports = Buffer.from([0x9c, 0x40, 0x01, 0xbb]);
  const addresses = Buffer.concat([address, Buffer.alloc(address.length, 127), ports]);
  const head = Buffer.from([0x21, isV6 ? 0x21 : 0x11, 0, addresses.length]);
  return Buffer.concat([Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'), head, addresses]);
}

/** Eight groups, written out. */
function v6Bytes(address: string): Buffer {
  return Buffer.from(
    address.split(':').flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255]),
  );
}
