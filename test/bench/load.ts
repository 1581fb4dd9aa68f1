/**
 * The load process: told by its parent what to do, one command at a time, over IPC. All traffic goes to
 * loopback; every command is bounded in count and time.
 */
import { fillLog, type FillPlan, type FillResult } from './fill-log.js';
import { LoadDevices, until } from './load-devices.js';
import { keys, sendPosts, type SendPlan, type SendResult } from './load-posts.js';

export type { FillPlan, FillResult } from './fill-log.js';
export type { SendPlan, SendResult } from './load-posts.js';

export interface Addresses {
  readonly gatewayPorts: readonly number[];
  readonly ingestPorts: readonly number[];
}
export interface MoveResult extends SendResult {
  /** From the first connection that broke until every device was greeted elsewhere. */
  readonly backSeconds: number;
  /** From then until the last notification. */
  readonly drainedSeconds: number;
  readonly moved: number;
}

const devices = new LoadDevices();

const commands = {
  /** Connects and greets `count` new devices; seconds. */
  connect: (at: Addresses, { count }: { count: number }): Promise<number> =>
    devices.connect(at.gatewayPorts, count),

  register: (_: Addresses, { isKeyed }: { isKeyed: boolean }): Promise<number> =>
    devices.register(isKeyed ? keys.publicKey : undefined),

  cut: (): Promise<void> => devices.cut(),

  /** From now on nothing is acknowledged, or everything again. */
  mute: (_: Addresses, { isMute }: { isMute: boolean }): Promise<void> =>
    Promise.resolve(void (devices.isMute = isMute)),

  /** Devices come back at once; until each is greeted and `expected` notifications are acknowledged. */
  async reconnect(
    at: Addresses,
    { expected, count }: { expected: number; count?: number },
  ): Promise<number> {
    devices.expectAny();
    const since = performance.now();
    await devices.reconnect(at.gatewayPorts, count);
    const what = (): string => `${expected} after the reconnect, got ${devices.delivered}`;
    await until(() => devices.delivered >= expected, what);
    return (performance.now() - since) / 1000;
  },

  send: (at: Addresses, plan: SendPlan): Promise<SendResult> =>
    sendPosts(devices, at.ingestPorts, plan),

  /** Sends while a gateway ends: whose connection breaks comes back at the last gateway at once. */
  async sendWhileMoving(at: Addresses, plan: SendPlan): Promise<MoveResult> {
    const port = at.gatewayPorts.at(-1)!;
    const [back, moved] = [[0, 0], new Set<number>()];
    devices.all.forEach((device, i) => {
      device.onClose = () => {
        back[0] ||= performance.now();
        const again = (): Promise<void> =>
          devices.comeBack(i, port).then(
            () => {
              back[1] = performance.now();
              moved.add(i);
            },
            () => new Promise((resolve) => setTimeout(() => resolve(again()), 50)),
          );
        void again();
      };
    });
    const sent = await sendPosts(devices, at.ingestPorts, plan);
    const [broken = 0, greeted = 0] = back;
    return {
      ...sent,
      moved: moved.size,
      backSeconds: (greeted - broken) / 1000,
      drainedSeconds: Math.max(0, performance.now() - greeted) / 1000,
    };
  },

  fill: (_: Addresses, plan: FillPlan): Promise<FillResult> => fillLog(devices, plan),

  /** Waits until so many notifications have come since the last command that expected some. */
  async drained(_: Addresses, { expected }: { expected: number }): Promise<number> {
    const since = performance.now();
    await until(
      () => devices.delivered >= expected,
      () => `${expected}, got ${devices.delivered}`,
    );
    return (performance.now() - since) / 1000;
  },
};

export type CommandName = keyof typeof commands;
interface Order {
  readonly name: CommandName;
  readonly at: Addresses;
  readonly plan: never;
}

process.on('message', (order: Order) => {
  commands[order.name](order.at, order.plan).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
