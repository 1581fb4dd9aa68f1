/**
 * A peer that speaks bytes: it sends what it is told to and does nothing by itself, so a test can stop in the middle of
 * anything. For HTTP `statuses` says what was answered; for a WebSocket `texts` and `closedWith` do.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

export interface PeerOptions {
  /** One of 127.0.0.0/8: each is another client address. */
  readonly from?: string;
}

const PATIENCE_MS = 15_000;
const UPGRADED = /^HTTP\/1\.1 101 [^]*?\r\n\r\n/;

export class RawPeer {
  /** All that came, one character per byte. */
  said = '';
  /** The other side has ended or cut the connection. */
  isOver = false;

  private constructor(readonly socket: Socket) {
    socket.on('data', (bytes: Buffer) => (this.said += bytes.toString('latin1')));
    socket.on('error', () => undefined);
    for (const event of ['end', 'close']) socket.on(event, () => (this.isOver = true));
  }

  static async to(port: number, { from }: PeerOptions = {}): Promise<RawPeer> {
    const address = { port, host: '127.0.0.1', allowHalfOpen: true };
    const socket = connect(from === undefined ? address : { ...address, localAddress: from });
    await once(socket, 'connect');
    return new RawPeer(socket);
  }

  /** One write, so that it arrives as one. */
  send(...parts: readonly (string | Buffer)[]): this {
    this.socket.write(Buffer.concat(parts.map((part) => Buffer.from(part))));
    return this;
  }

  get statuses(): readonly string[] {
    return [...this.said.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status = '']) => status);
  }

  /** Until so many answers have begun, or the connection is over. */
  async answered(count = 1): Promise<this> {
    await this.until(() => this.statuses.length >= count || this.isOver);
    return this;
  }

  async over(): Promise<this> {
    await this.until(() => this.isOver);
    return this;
  }

  async until(isSo: () => boolean): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!isSo()) {
      if (performance.now() > deadline) throw new Error(`never so; came: ${this.said.slice(-300)}`);
      await pause(5);
    }
  }

  /** Upgrades to a WebSocket and says hello; resolves when hello is answered. */
  async greet(hello: object = {}): Promise<this> {
    await this.send(upgrade()).until(() => UPGRADED.test(this.said));
    this.send(textFrame({ messageType: 'hello', ...hello }));
    await this.until(() => this.texts.length > 0);
    return this;
  }

  /** The text frames that have come whole. */
  get texts(): readonly string[] {
    return this.frames.filter(({ opcode }) => opcode === 1).map(({ payload }) => payload);
  }

  /** The code of the close frame that came. */
  get closedWith(): number | undefined {
    const close = this.frames.find(({ opcode }) => opcode === 8);
    return close && Buffer.from(close.payload, 'latin1').readUInt16BE(0);
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** A server's frames are neither masked nor, here, larger than 64 KiB or in fragments. */
  private get frames(): readonly { readonly opcode: number; readonly payload: string }[] {
    const bytes = Buffer.from(this.said.replace(UPGRADED, ''), 'latin1');
    const frames: { opcode: number; payload: string }[] = [];
    for (let at = 0; at + 2 <= bytes.length;) {
      const short = (bytes[at + 1] ?? 0) & 0x7f;
      const head = short < 126 ? 2 : 4;
      if (at + head > bytes.length) break;
      const end = at + head + (short < 126 ? short : bytes.readUInt16BE(at + 2));
      if (end > bytes.length) break;
      const payload = bytes.subarray(at + head, end).toString('latin1');
      frames.push({ opcode: (bytes[at] ?? 0) & 0x0f, payload });
      at = end;
    }
    return frames;
  }
}

/** undefined: no such field. */
type Fields = Readonly<Record<string, string | number | undefined>>;

/** The head of a request. */
export function head(method: string, path: string, fields: Fields = {}): string {
  const all = Object.entries({ Host: 'push.example', ...fields });
  const lines = all.filter(([, value]) => value !== undefined);
  return `${method} ${path} HTTP/1.1\r\n${lines.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`;
}

/** The head of a request that is exactly so many bytes long, by a field that nobody reads. */
export function headOfBytes(bytes: number, text: string): string {
  const padding = bytes - text.length - 'X: \r\n'.length;
  return text.replace(/\r\n$/, `X: ${'a'.repeat(padding)}\r\n\r\n`);
}

export function upgrade(path = '/', fields: Fields = {}): string {
  return head('GET', path, {
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': 13,
    ...fields,
  });
}

/** A client's frame, masked with zeros. An object is sent as JSON. */
export function frame(payload: string | Buffer, opcode = 1): Buffer {
  const bytes = Buffer.from(payload);
  const length = Buffer.alloc(bytes.length < 126 ? 1 : bytes.length < 65_536 ? 3 : 9);
  if (length.length === 1) length[0] = bytes.length;
  else if (length.length === 3) length.writeUInt16BE(bytes.length, 1);
  else length.writeBigUInt64BE(BigInt(bytes.length), 1);
  if (length.length > 1) length[0] = length.length === 3 ? 126 : 127;
  length[0] = (length[0] ?? 0) | 0x80;
  return Buffer.concat([Buffer.from([0x80 | opcode]), length, Buffer.alloc(4), bytes]);
}

export function textFrame(message: object): Buffer {
  return frame(JSON.stringify(message));
}

/** The header that a proxy of layer 4 puts before a connection (PROXY protocol, version 2). */
export function proxyHeader(client: string): Buffer {
  const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
  const addresses = Buffer.from([...client.split('.').map(Number), 127, 0, 0, 1, 0, 1, 0, 2]);
  return Buffer.concat([signature, Buffer.from([0x21, 0x11, 0, addresses.length]), addresses]);
}
