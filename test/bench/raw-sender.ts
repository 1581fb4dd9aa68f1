/** A sender for load: one keep-alive connection, requests one after the other, bytes prepared by the caller. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

export class RawSender {
  private answered: (status: number) => void = () => undefined;
  private refused: (error: Error) => void = () => undefined;
  private rest = '';

  private constructor(private readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('data', (text) => this.read(String(text)));
    socket.on('error', (error) => this.refused(error));
    socket.on('close', () => this.refused(new Error('the server closed the connection')));
  }

  static open(port: number, host = '127.0.0.1'): Promise<RawSender> {
    const sender = new RawSender(connect(port, host));
    return new Promise((resolve, reject) => {
      sender.socket.once('connect', () => resolve(sender));
      sender.refused = reject;
    });
  }

  /** Resolves with the status code. */
  post(request: Buffer): Promise<number> {
    return new Promise((resolve, reject) => {
      this.answered = resolve;
      this.refused = reject;
      this.socket.write(request);
    });
  }

  end(): void {
    this.refused = () => undefined;
    this.socket.destroy();
  }

  private read(text: string): void {
    this.rest += text;
    const end = this.rest.indexOf('\r\n\r\n');
    if (end < 0) return;
    const length = /content-length: (\d+)/i.exec(this.rest)?.[1] ?? '0';
    if (this.rest.length < end + 4 + Number(length)) return;
    const status = Number(this.rest.slice(9, 12));
    this.rest = '';
    this.answered(status);
  }
}

/** The bytes of a POST to an endpoint. */
export function requestOf(
  endpoint: string,
  body: Buffer,
  headers: Readonly<Record<string, string>> = {},
): Buffer {
  const { host, pathname } = new URL(endpoint);
  const all = { ttl: '86400', 'content-encoding': 'aes128gcm', ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${lines.join('')}Content-Length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
}
