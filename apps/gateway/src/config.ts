import { hostname } from 'node:os';
import { doorSettings, shareOfFileDescriptors } from '#runtime';
import type { DoorSettings, EnvReader } from '#runtime';

/** What bounds one connection; each has a row in the README's table of limits. */
export interface ConnectionLimits {
  /** Bytes of a text frame; one more closes. */
  readonly frameBytesMax: number;
  /** Frames per second, with twice as many at once. Acks of what was sent are free. */
  readonly framesPerSecondMax: number;
  /** Of devices, at once; one more is refused. */
  readonly connectionsMax: number;
  /** 0: no limit. Carriers put many thousand devices behind one address, so none by default. */
  readonly connectionsPerAddressMax: number;
  /** Notifications that are sent and not acknowledged. */
  readonly windowMax: number;
  /** Their bytes. */
  readonly windowBytesMax: number;
  /** Bytes that wait for a device that reads slowly; beyond it the device is closed (and loses nothing). */
  readonly socketBufferBytesMax: number;
  /** For the Registrar: one more is refused. */
  readonly subscriptionsPerDeviceMax: number;
}

export interface GatewayTimes {
  readonly helloTimeoutMs: number;
  readonly pingIntervalMs: number;
  readonly clientPingMinMs: number;
  /** Every connection claims again and compares itself with its mailbox in this time (design §5, rule 8). */
  readonly recheckIntervalMs: number;
  readonly drainSeconds: number;
}

/** uWebSockets.js counts idle seconds up to 960, and a device may be silent for two intervals. */
const PING_INTERVAL_MS_MAX = 475_000;

/** What a gateway is told from outside. */
export class GatewayConfig {
  /** Its name: of its stream, its lease and its claims. Unique in a cluster, the same after a restart. */
  readonly id: string;
  readonly port: number;
  /** What push clients are told. */
  readonly publicUrl: string;
  readonly partitions: number;
  readonly door: DoorSettings;
  readonly limits: ConnectionLimits;
  readonly times: GatewayTimes;

  constructor(env: EnvReader, { partitions }: { readonly partitions: number }) {
    this.partitions = partitions;
    this.door = doorSettings(env);
    this.port = env.port('GATEWAY_PORT', 8_080, 'gateway: device WebSocket on `/`');
    this.publicUrl = env.url('PUBLIC_GATEWAY_URL', {
      protocols: ['ws:', 'wss:'],
      doc: 'the address of the device WebSocket that push clients are told',
    });
    this.id = env.parsed('GATEWAY_ID', {
      default: hostname(),
      shown: 'host name',
      range: 'letters, digits, `.`, `_`, `-`',
      parse: gatewayId,
      doc: 'name of this gateway: unique in the cluster, the same after a restart',
    });
    this.limits = limits(env);
    this.times = times(env);
  }
}

export function gatewayConfig(
  env: EnvReader,
  cluster: { readonly partitions: number },
): GatewayConfig {
  return new GatewayConfig(env, cluster);
}

function gatewayId(text: string): string {
  if (/^[A-Za-z0-9._-]{1,200}$/.test(text)) return text;
  throw new Error(
    '1–200 letters, digits, dots, underscores or hyphens (it is part of a stream’s name)',
  );
}

function limits(env: EnvReader): ConnectionLimits {
  const limit = (name: string, ask: readonly [number, number, number], doc: string): number =>
    env.integer(name, { default: ask[0], min: ask[1], max: ask[2], doc });
  return {
    frameBytesMax: limit(
      'FRAME_BYTES_MAX',
      [65_536, 1_024, 1_048_576],
      'bytes of a device’s frame; a longer one closes',
    ),
    framesPerSecondMax: limit(
      'FRAMES_PER_SECOND_MAX',
      [1_000, 1, 1_000_000],
      'frames per second and connection, twice as many at once; one more closes; acks of what was sent are free',
    ),
    connectionsMax:
      limit(
        'CONNECTIONS_MAX',
        [0, 0, 10_000_000],
        'connections of devices; one more is 429; 0: 85 % of the file descriptors that the process may have, less 128',
      ) || shareOfFileDescriptors(0.85),
    connectionsPerAddressMax: limit(
      'CONNECTIONS_PER_ADDRESS_MAX',
      [0, 0, 1_000_000],
      'connections per client address (IPv6: per /64); one more is 429; 0: no limit',
    ),
    windowMax: limit(
      'WINDOW_MAX',
      [64, 1, 10_000],
      'notifications sent and not acknowledged; the next one waits',
    ),
    windowBytesMax: limit(
      'WINDOW_BYTES_MAX',
      [262_144, 1_024, 67_108_864],
      'their bytes; when they are reached, the next one waits',
    ),
    socketBufferBytesMax: limit(
      'SOCKET_BUFFER_BYTES_MAX',
      [524_288, 1_024, 67_108_864],
      'bytes that wait for a device that reads slowly; beyond it (and a frame) it is closed',
    ),
    subscriptionsPerDeviceMax: limit(
      'SUBSCRIPTIONS_PER_DEVICE_MAX',
      [1_000, 1, 100_000],
      'subscriptions of one device; one more is refused',
    ),
  };
}

function times(env: EnvReader): GatewayTimes {
  const time = (name: string, ask: readonly [number, number, number], doc: string): number =>
    env.integer(name, { default: ask[0], min: ask[1], max: ask[2], doc });
  return {
    helloTimeoutMs: time(
      'HELLO_TIMEOUT_MS',
      [5_000, 10, 600_000],
      'for the first frame, ms; who has not sent it by then is closed',
    ),
    pingIntervalMs: time(
      'PING_INTERVAL_MS',
      [300_000, 4_000, PING_INTERVAL_MS_MAX],
      'between pings of the server, ms; a device silent for twice that is gone',
    ),
    clientPingMinMs: time(
      'CLIENT_PING_MIN_MS',
      [45_000, 0, 3_600_000],
      'between pings of a device, ms; one sooner closes',
    ),
    recheckIntervalMs: time(
      'RECHECK_INTERVAL_MS',
      [300_000, 1_000, 3_600_000],
      'in which each connection claims again and compares itself with its mailbox, ms',
    ),
    drainSeconds: time('DRAIN_SECONDS', [30, 0, 3_600], 'over which a drain spreads its closes'),
  };
}
