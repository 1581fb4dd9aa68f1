/**
 * A gateway whose network, stream and clock are the test: it reads its stream when it is told to, as far as it is
 * told to, and devices are connected by sockets in memory. Stores and log are those of the field.
 */
import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { Announcer, Settler } from '#outcomes';
import { EnvReader, Log } from '#runtime';
import type { Fields } from '#runtime';
import { StreamConsumer, deliveriesOf } from '#streams';
import type { PartitionReader, Reading, StopReading } from '#streams';
import { Registrar } from '#subscriptions';
import { EmbeddedSubscriptionLookup } from '#view.embedded';
import { KeyRing, deviceIdOf } from '#webpush';
import type { DeviceId } from '#webpush';
import { gatewayConfig } from '../../apps/gateway/src/config.js';
import type { GatewayConfig } from '../../apps/gateway/src/config.js';
import { Gateway } from '../../apps/gateway/src/gateway.js';
import type { GatewayPorts } from '../../apps/gateway/src/gateway.js';
import type { Session } from '../../apps/gateway/src/session.js';
import { SENT } from '../../apps/gateway/src/socket.js';
import type { Socket } from '../../apps/gateway/src/socket.js';
import { intercepted } from './field.js';
import type { Field } from './field.js';

export interface HandDrivenOptions {
  readonly id?: string;
  /** Settings beside the defaults, as environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  readonly ports?: Partial<GatewayPorts>;
}

export class HandDrivenGateway {
  readonly gateway: Gateway;
  readonly config: GatewayConfig;
  readonly settler: Settler;
  /** What it said in its log. */
  readonly said: Fields[] = [];
  /** Why it wanted the process to end. */
  readonly ended: Error[] = [];
  private readonly reader = new HeldConsumer();
  private position = 0;

  constructor(
    private readonly field: Field,
    private readonly options: HandDrivenOptions = {},
  ) {
    const { view, producer, catalog, presence, mailbox, leases } = field;
    const { id = 'g1', env = {}, ports = {} } = options;
    const reader = new EnvReader({ GATEWAY_ID: id, PUBLIC_GATEWAY_URL: 'ws://g/', ...env });
    const config = (this.config = gatewayConfig(reader, { partitions: 1 }));
    reader.finish();
    this.settler = new Settler(view, new Announcer(producer, view, { clearMs: 0 }), {
      gatherMs: 0,
      clock: () => field.now,
      retryMs: 1,
    });
    const lookup = new EmbeddedSubscriptionLookup(field.store);
    this.gateway = new Gateway(
      {
        ...{ producer, catalog, presence, mailbox, leases, lookup },
        consumer: this.reader,
        registrar: registrarOf(field),
        settler: this.settler,
        log: Log.into((line) => this.said.push(line)),
        end: (reason) => this.ended.push(reason),
        ...ports,
      },
      config,
      {
        clock: () => field.now,
        ticks: () => field.now,
        sleep: async (ms) => {
          field.now += ms;
          await turn();
        },
      },
    );
  }

  get id(): string {
    return this.options.id ?? 'g1';
  }

  /** As far as sockets may open. */
  async begin(): Promise<this> {
    await this.gateway.begin();
    this.position = await this.reader.assigned();
    return this;
  }

  /** A connection, nothing said yet. */
  open(): MemoryDevice {
    return new MemoryDevice(this.gateway);
  }

  /** Connected and greeted, nothing under way any more. */
  async greeted(secret?: string): Promise<MemoryDevice> {
    const device = this.open();
    device.say({ messageType: 'hello', use_webpush: true, uaid: secret });
    await settled();
    return device;
  }

  /** One call, as a consumer makes it. False: there is nothing to read. */
  async step(countMax = Infinity): Promise<boolean> {
    const stream = deliveriesOf(this.id);
    const end = await this.field.catalog.end(stream, 0);
    const all = await (await this.field.tape(stream)).upTo(end);
    const records = all.filter(({ offset }) => offset >= this.position).slice(0, countMax);
    const last = records.at(-1);
    if (last === undefined) return false;
    const next = last.offset + 1;
    this.position = await this.reader.give({ stream, partition: 0, records, next });
    return true;
  }

  /** The next record on the stream is lost. */
  skip(): void {
    this.position++;
  }

  /** Everything on the stream, and what follows from it. */
  async readOn(): Promise<void> {
    while (await this.step()) await settled();
    await settled();
  }

  /** The re-check of every connection. */
  async recheckAll(): Promise<void> {
    const { connections, rechecks } = this.gateway;
    connections.visitAll((session) => rechecks.add(session));
    await settled();
  }
}

/** As many turns of the event loop as anything in memory needs. */
export async function settled(turns = 12): Promise<void> {
  for (let i = 0; i < turns; i++) await turn();
}

/** A secret, and the device that it is. */
export function newDevice(): { readonly secret: string; readonly device: DeviceId } {
  const secret = randomBytes(16).toString('hex');
  return { secret, device: deviceIdOf(secret) };
}

export interface ServerFrame {
  readonly messageType?: string;
  readonly uaid?: string;
  readonly status?: number;
  readonly channelID?: string;
  readonly pushEndpoint?: string;
  readonly version?: string;
  readonly data?: string;
}

/** The device's end of a socket in memory. */
export class MemoryDevice implements Socket {
  readonly frames: ServerFrame[] = [];
  /** How it ended; undefined: it is open. `code` undefined: cut off, by either side. */
  closed: { readonly code?: number } | undefined;
  pings = 0;
  /** Frames that the network still takes; then they wait in the buffer, and at `bufferMax` none is taken. */
  network = Infinity;
  bufferMax = Infinity;
  readonly buffered: string[] = [];
  readonly session: Session;
  private isCut = false;

  constructor(private readonly gateway: Gateway) {
    this.session = gateway.sessions.onOpen(this);
  }

  /** The device says something; text goes as it is. */
  say(message: object | string): void {
    if (this.closed) throw new Error('the connection is closed');
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    this.gateway.sessions.onText(this.session, text);
  }

  ack(...frames: readonly ServerFrame[]): void {
    const updates = frames.map(({ channelID, version }) => ({ channelID, version, code: 100 }));
    this.say({ messageType: 'ack', updates });
  }

  /** The device goes away without a word. */
  leave(): void {
    if (this.closed) return;
    this.closed = {};
    this.gateway.sessions.onGone(this.session);
  }

  /** The gateway's process is gone: whatever it still does reaches nobody. */
  cut(): void {
    this.closed ??= {};
    this.isCut = true;
  }

  /** The network takes so many of the frames that wait; all of them: it takes everything again. */
  drain(count = Infinity): void {
    for (const frame of this.buffered.splice(0, count)) {
      this.frames.push(JSON.parse(frame) as ServerFrame);
    }
    if (this.buffered.length === 0) this.network = Infinity;
    this.gateway.sessions.onDrained(this.session);
  }

  get notifications(): readonly ServerFrame[] {
    return this.frames.filter(({ messageType }) => messageType === 'notification');
  }

  /** The payloads of the notifications, as text, in the order they came. */
  get payloads(): readonly string[] {
    return this.notifications.map(({ data = '' }) => Buffer.from(data, 'base64url').toString());
  }

  get uaid(): string {
    return this.frames[0]?.uaid ?? '';
  }

  send(frame: string): number {
    if (this.isCut) return SENT.written;
    if (this.closed) throw new Error('sent on a closed socket');
    if (this.network > 0) {
      this.network--;
      this.frames.push(JSON.parse(frame) as ServerFrame);
      return SENT.written;
    }
    if (this.buffered.length >= this.bufferMax) return SENT.dropped;
    this.buffered.push(frame);
    return SENT.queued;
  }

  getBufferedAmount(): number {
    return this.buffered.reduce((bytes, frame) => bytes + frame.length, 0);
  }

  ping(): number {
    this.pings++;
    return SENT.written;
  }

  cork(sends: () => void): void {
    sends();
  }

  end(code: number): void {
    if (this.isCut) return;
    if (this.closed) throw new Error('ended twice');
    this.closed = { code };
    this.gateway.sessions.onGone(this.session);
  }

  close(): void {
    this.leave();
  }
}

/** A consumer that is the test. */
class HeldConsumer extends StreamConsumer {
  private reader: PartitionReader | undefined;

  override read(_: Reading, reader: PartitionReader): Promise<StopReading> {
    this.reader = reader;
    return Promise.resolve(() => Promise.resolve());
  }

  assigned(): Promise<number> {
    return this.reader?.onAssigned(0) ?? Promise.reject(new Error('nobody reads'));
  }

  give(batch: Parameters<PartitionReader['onBatch']>[0]): Promise<number> {
    return this.reader?.onBatch(batch) ?? Promise.reject(new Error('nobody reads'));
  }
}

function registrarOf(field: Field): Registrar {
  const { producer, subscriptions: view, store } = field;
  return new Registrar(
    { producer, view, lookup: new EmbeddedSubscriptionLookup(store) },
    {
      keyRing: KeyRing.parse(randomBytes(32).toString('base64url')),
      publicEndpointUrl: 'https://push.example',
      partitions: 1,
      subscriptionsPerDeviceMax: 3,
      deadlineMs: 900,
      clock: () => field.now,
    },
  );
}

/** Holds up the calls of one method of a port, before they are executed or before their answers come back. */
export class Holding {
  /** While false, calls pass. */
  isOn = true;
  private readonly held: (() => void)[] = [];

  constructor(
    private readonly method: string,
    private readonly side: 'before' | 'after',
  ) {}

  get count(): number {
    return this.held.length;
  }

  around<T extends object>(port: T): T {
    return intercepted(port, async (method, call) => {
      if (method !== this.method || !this.isOn) return call();
      if (this.side === 'before') await this.hold();
      const answer = await call();
      if (this.side === 'after') await this.hold();
      return answer;
    });
  }

  /** Those that are held go on, and what follows from it; later ones are held or pass as `isOn` says. */
  async letGo(isOn = false): Promise<void> {
    this.isOn = isOn;
    for (const release of this.held.splice(0)) release();
    await settled();
  }

  /** The one that came last goes on before the others. */
  async letLastGo(): Promise<void> {
    this.held.pop()?.();
    await settled();
  }

  private hold(): Promise<void> {
    return new Promise((release) => this.held.push(release));
  }
}

/** A port that fails while it is away; `calls` counts what was tried. */
export class Outage {
  isAway = false;
  calls = 0;

  around<T extends object>(port: T, ...methods: readonly string[]): T {
    return intercepted(port, (method, call) => {
      if (methods.length > 0 && !methods.includes(method)) return call();
      this.calls++;
      return this.isAway ? Promise.reject(new Error(`${method}: the store is away`)) : call();
    });
  }
}
