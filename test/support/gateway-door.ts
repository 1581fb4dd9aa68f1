/**
 * The one address at which devices find a fleet of gateways: TCP connections go to the gateways that run, in turn. What
 * a load balancer does, within reach of a test.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

const HOST = '127.0.0.1';

export class GatewayDoor {
  private readonly open = new Map<Socket, number>();
  private gateways: readonly URL[] = [];
  private next = 0;

  private constructor(private readonly server: Server) {
    server.on('connection', (device) => this.pass(device, this.gateways.length));
  }

  static async open(): Promise<GatewayDoor> {
    const server = createServer().listen(0, HOST);
    await once(server, 'listening');
    return new GatewayDoor(server);
  }

  get url(): string {
    return `ws://${HOST}:${(this.server.address() as AddressInfo).port}/`;
  }

  leadTo(urls: readonly string[]): void {
    this.gateways = urls.map((url) => new URL(url));
  }

  /** The gateways, by their place, that connections go to now. */
  connected(): readonly number[] {
    return [...this.open.values()];
  }

  async close(): Promise<void> {
    for (const device of this.open.keys()) device.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** One that refuses is passed over; if all do, so is the device. */
  private pass(device: Socket, tries: number): void {
    const place = this.next++ % Math.max(1, this.gateways.length);
    const gateway = this.gateways[place];
    if (tries === 0 || gateway === undefined) return void device.destroy();
    const inner = connect(Number(gateway.port), gateway.hostname);
    inner.once('error', () =>
      this.open.has(device) ? device.destroy() : this.pass(device, tries - 1),
    );
    inner.once('connect', () => {
      this.open.set(device, place);
      device.on('error', () => inner.destroy()).on('close', () => inner.destroy());
      inner.on('close', () => {
        this.open.delete(device);
        device.destroy();
      });
      device.pipe(inner).pipe(device);
    });
  }
}
