/**
 * A push service of one file that speaks the contract as far as a client sees it, with switches for what a
 * real one does only when something goes wrong. Devices survive `stop` and `start`, as in the real one.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import {
  helloFrame,
  notificationFrame,
  parseClientMessage,
  PONG,
  registerFrame,
  unregisterFrame,
  type AckUpdate,
  type ClientMessage,
  type NotificationFrame,
} from '#wire';

interface Device {
  readonly channels: Set<string>;
  /** version → frame, in order. */
  readonly box: Map<string, string>;
  socket?: WebSocket | undefined;
}

export class SmallService {
  /** Everything that clients have said, in order. */
  readonly heard: ClientMessage[] = [];
  readonly acks: AckUpdate[] = [];
  /** What `register` and `unregister` are answered with; undefined: not at all. */
  status: 200 | 400 | 500 | undefined = 200;
  /** Acks are read, but not acted upon: as if the connection had died under them. */
  losesAcks = false;
  isMute = false;
  private devices = new Map<string, Device>();
  private http: Server | undefined;
  private port = 0;

  get gatewayUrl(): string {
    return `ws://127.0.0.1:${this.port}/`;
  }

  get endpointUrl(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const http = createServer((request, response) => void this.onRequest(request, response));
    new WebSocketServer({ server: http }).on('connection', (socket) => this.onConnection(socket));
    await new Promise<void>((resolve) => http.listen(this.port, '127.0.0.1', resolve));
    this.port = (http.address() as AddressInfo).port;
    this.http = http;
  }

  /** Without a code: as if it were killed. */
  async stop(code?: number): Promise<void> {
    const http = this.http;
    this.closeAll(code);
    http?.closeAllConnections();
    await new Promise((resolve) => (http ? http.close(resolve) : resolve(undefined)));
  }

  closeAll(code?: number): void {
    for (const { socket } of this.devices.values()) {
      if (code === undefined) socket?.terminate();
      else socket?.close(code);
    }
  }

  forgetDevices(): void {
    this.devices = new Map();
  }

  /** As a gateway sends it, to every device that has the channel, or to any when it is none of theirs. */
  sendFrame(text: string): void {
    for (const { socket } of this.devices.values()) socket?.send(text);
  }

  private onConnection(socket: WebSocket): void {
    let device: Device | undefined;
    socket.on('message', (text: Buffer) => {
      const message = parseClientMessage(text.toString());
      if (!message) return socket.close(1011);
      this.heard.push(message);
      if (this.isMute) return;
      if (message.messageType === 'hello') device = this.onHello(socket, message.uaid);
      else if (!device) socket.close(1011);
      else this.onMessage(socket, device, message);
    });
    socket.on('close', () => {
      if (device?.socket === socket) device.socket = undefined;
    });
  }

  private onHello(socket: WebSocket, asked?: string): Device {
    const known = asked === undefined ? undefined : this.devices.get(asked);
    const uaid = known && asked !== undefined ? asked : randomBytes(16).toString('hex');
    const device: Device = known ?? { channels: new Set(), box: new Map() };
    this.devices.set(uaid, device);
    device.socket?.close(4001);
    device.socket = socket;
    socket.send(helloFrame(uaid));
    for (const frame of device.box.values()) socket.send(frame);
    return device;
  }

  private onMessage(socket: WebSocket, device: Device, message: ClientMessage): void {
    if (message.messageType === 'ping') socket.send(PONG);
    if (message.messageType === 'ack') this.onAck(device, message.updates);
    if (message.messageType !== 'register' && message.messageType !== 'unregister') return;
    const { channelID, messageType } = message;
    const status = this.status;
    if (status === undefined) return;
    if (status === 200) device.channels[messageType === 'register' ? 'add' : 'delete'](channelID);
    const pushEndpoint = `${this.endpointUrl}/wpush/v2/${channelID}`;
    if (messageType === 'unregister') socket.send(unregisterFrame({ channelID, status }));
    else if (status !== 200) socket.send(registerFrame({ channelID, status }));
    else socket.send(registerFrame({ channelID, status, pushEndpoint }));
  }

  private onAck(device: Device, updates: readonly AckUpdate[]): void {
    this.acks.push(...updates);
    if (this.losesAcks) return;
    for (const { version } of updates) device.box.delete(version);
  }

  private async onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const channelID = request.url?.split('/').at(-1) ?? '';
    const body = Buffer.concat(await request.toArray());
    const device = [...this.devices.values()].find(({ channels }) => channels.has(channelID));
    if (!device) return void response.writeHead(410).end();
    const version = randomBytes(16).toString('base64url');
    const frame = frameOf(request, { channelID, version, body });
    device.box.set(version, frame);
    device.socket?.send(frame);
    response.writeHead(201, { location: `${this.endpointUrl}/m/${version}` }).end();
  }
}

function frameOf(
  { headers }: IncomingMessage,
  { channelID, version, body }: { channelID: string; version: string; body: Buffer },
): string {
  if (body.length === 0) return notificationFrame({ channelID, version });
  const clean = (value: unknown): string | undefined =>
    typeof value === 'string' ? value.replaceAll(/"|=+(?=[;,]|$)/g, '') : undefined;
  const encoding = headers['content-encoding'] as NotificationFrame['encoding'];
  const data = body.toString('base64url');
  const isDraft = encoding === 'aesgcm';
  const encryption = isDraft ? clean(headers.encryption) : undefined;
  const cryptoKey = isDraft ? clean(headers['crypto-key']) : undefined;
  return notificationFrame({ channelID, version, data, encoding, encryption, cryptoKey });
}
