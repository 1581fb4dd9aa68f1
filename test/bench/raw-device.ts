/**
 * A device for load: the least WebSocket client that works, on a bare TCP socket, so that fifteen thousand of them
 * and their frames cost the load process little. Frames go out masked with a zero key (RFC 6455 §5.3 asks for
 * a mask, not for a good one); frames of the server come unmasked and unfragmented.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

const HELLO = '{"messageType":"hello","use_webpush":true,"broadcasts":{}}';

export class RawDevice {
  uaid = '';
  endpoint = '';
  channelID = '';
  /** Called for each text frame; the Buffer is only valid during the call. */
  onFrame: (text: Buffer) => void = () => undefined;
  onClose: () => void = () => undefined;
  /** Of the server's close frame; 0: none came. */
  closeCode = 0;
  private rest: Buffer | undefined;
  private isOpen = false;
  private opened: () => void = () => undefined;
  private refused: (error: Error) => void = () => undefined;

  private constructor(private readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.read(bytes));
    socket.on('error', (error) => this.refused(error));
    socket.on('close', () => {
      this.refused(new Error('closed before it was open'));
      this.onClose();
    });
  }

  static open(port: number, host = '127.0.0.1', localAddress?: string): Promise<RawDevice> {
    const device = new RawDevice(connect({ port, host, ...(localAddress && { localAddress }) }));
    device.socket.write(
      `GET / HTTP/1.1\r\nHost: ${host}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    return new Promise((resolve, reject) => {
      device.opened = () => resolve(device);
      device.refused = reject;
    });
  }

  send(text: string): void {
    const length = Buffer.byteLength(text);
    const head = length < 126 ? 2 : 4;
    const frame = Buffer.allocUnsafe(head + 4 + length);
    frame[0] = 0x81;
    if (head === 2) frame[1] = 0x80 | length;
    else {
      frame[1] = 0x80 | 126;
      frame.writeUInt16BE(length, 2);
    }
    frame.writeUInt32BE(0, head);
    frame.write(text, head + 4);
    this.socket.write(frame);
  }

  /** The first frame that contains `mark`. */
  answer(mark: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const before = this.onFrame;
      this.refused = reject;
      this.onFrame = (text) => {
        if (!text.includes(mark)) return before(text);
        this.onFrame = before;
        resolve(text.toString());
      };
    });
  }

  async hello(uaid?: string): Promise<void> {
    this.send(uaid ? `${HELLO.slice(0, -1)},"uaid":"${uaid}"}` : HELLO);
    const answer = JSON.parse(await this.answer('"hello"')) as { uaid: string };
    this.uaid = answer.uaid;
  }

  async register(channelID: string, key?: string): Promise<void> {
    const answer = this.answer('"register"');
    const withKey = key ? `,"key":"${key}"` : '';
    this.send(`{"messageType":"register","channelID":"${channelID}"${withKey}}`);
    const { status, pushEndpoint } = JSON.parse(await answer) as Record<string, string>;
    if (Number(status) !== 200 || !pushEndpoint) throw new Error(`register answered ${status}`);
    this.endpoint = pushEndpoint;
    this.channelID = channelID;
  }

  cut(): void {
    this.socket.destroy();
  }

  private read(bytes: Buffer): void {
    let data = this.rest ? Buffer.concat([this.rest, bytes]) : bytes;
    this.rest = undefined;
    if (!this.isOpen) {
      const end = data.indexOf('\r\n\r\n');
      if (end < 0) return void (this.rest = data);
      if (!data.subarray(0, 12).equals(Buffer.from('HTTP/1.1 101'))) {
        return this.refused(new Error(data.subarray(0, 40).toString()));
      }
      this.isOpen = true;
      data = data.subarray(end + 4);
      this.opened();
    }
    this.readFrames(data);
  }

  private readFrames(data: Buffer): void {
    let at = 0;
    while (data.length - at >= 2) {
      const short = data[at + 1]! & 0x7f;
      const head = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (data.length - at < head) break;
      const length =
        short === 126
          ? data.readUInt16BE(at + 2)
          : short === 127
            ? Number(data.readBigUInt64BE(at + 2))
            : short;
      if (data.length - at < head + length) break;
      const opcode = data[at]! & 0x0f;
      const payload = data.subarray(at + head, at + head + length);
      if (opcode === 1) this.onFrame(payload);
      else if (opcode === 9) this.pong(payload);
      else if (opcode === 8 && length >= 2) this.closeCode = payload.readUInt16BE(0);
      at += head + length;
    }
    if (at < data.length) this.rest = Buffer.from(data.subarray(at));
  }

  private pong(payload: Buffer): void {
    this.socket.write(
      Buffer.concat([Buffer.from([0x8a, 0x80 | payload.length, 0, 0, 0, 0]), payload]),
    );
  }
}

const VERSION = '"version":"';
const CHANNEL = '"channelID":"';

/** The acknowledgement of a notification frame, without parsing its JSON. */
export function ackOf(frame: Buffer): string | undefined {
  const version = member(frame, VERSION);
  const channelID = member(frame, CHANNEL);
  if (version === undefined || channelID === undefined) return undefined;
  return `{"messageType":"ack","updates":[{"channelID":"${channelID}","version":"${version}","code":100}]}`;
}

function member(frame: Buffer, mark: string): string | undefined {
  const at = frame.indexOf(mark);
  if (at < 0) return undefined;
  const from = at + mark.length;
  return frame.toString('latin1', from, frame.indexOf(0x22, from));
}
