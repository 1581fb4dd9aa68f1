/** A sender for load: one keep-alive connection, requests one after the other, bytes prepared by the caller. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

export class RawSender {
  private answered: (status: number) => void = () => undefined;
  private refused: (error: Error) => void = () => undefined;
  private rest = '';
  private socket: Socket | undefined;

  private constructor(
    private readonly port: number,
    private readonly host: string,
  ) {}

  static async open(port: number, host = '127.0.0.1'): Promise<RawSender> {
    const sender = new RawSender(port, host);
    await sender.connect();
    return sender;
  }

  /** Resolves with the status code. A server closes what is idle: then over a new connection. */
  async post(request: Buffer): Promise<number> {
    const socket = this.socket ?? (await this.connect());
    return new Promise((resolve, reject) => {
      this.answered = resolve;
      this.refused = reject;
      socket.write(request);
    });
  }

  private connect(): Promise<Socket> {
    const socket = connect(this.port, this.host);
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('data', (text) => this.read(String(text)));
    socket.on('error', (error) => this.refused(error));
    socket.on('close', () => {
      this.socket = undefined;
      this.refused(new Error('the server closed the connection'));
    });
    return new Promise((resolve, reject) => {
      this.refused = reject;
      socket.once('connect', () => resolve((this.socket = socket)));
    });
  }

  end(): void {
    this.refused = () => undefined;
    this.socket?.destroy();
  }

  private read(text: string): void {
    this.rest += text;
    const status = statusOf(this.rest);
    if (status === undefined) return;
    this.rest = '';
    this.answered(status);
  }
}

/** Of the one answer that came, when it has come whole. */
export function statusOf(answer: string): number | undefined {
  const end = answer.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const length = /content-length: (\d+)/i.exec(answer)?.[1] ?? '0';
  return answer.length < end + 4 + Number(length) ? undefined : Number(answer.slice(9, 12));
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
