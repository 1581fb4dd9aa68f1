/** A standalone service with small limits, and what tests of limits look at: through its ports, nothing else. */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Device, type Frame } from './device.js';
import {
  startStandalone,
  type Accounts,
  type Standalone,
  type StandaloneOptions,
} from './standalone.js';

const ALL_ENDED_MS = 10_000;

export class Limited {
  private constructor(readonly service: Standalone) {}

  static async start(
    env: Readonly<Record<string, string>>,
    more: Pick<StandaloneOptions, 'within'> = {},
  ): Promise<Limited> {
    return new Limited(await startStandalone({ env: { LOG_LEVEL: 'warn', ...env }, ...more }));
  }

  greeted(uaid?: string): Promise<Device> {
    return Device.greeted(this.service.gatewayUrl, uaid);
  }

  /** A connected device with one subscription. */
  async subscribed(key?: string) {
    const device = await this.greeted();
    return { device, ...(await device.register(key)) };
  }

  /** A registered device that has left. */
  async away() {
    const { device, endpoint } = await this.subscribed();
    await device.leave();
    return { uaid: device.uaid, endpoint };
  }

  /** The sum of a metric over the labels that are not named, e.g. `closes_total{reason="tooFast"}`. */
  async metric(name: string): Promise<number> {
    const [bare = '', labels] = name.split(/[{}]/);
    let sum = 0;
    for (const [sample, value] of await this.service.metrics()) {
      const [its = '', itsLabels = ''] = sample.split(/[{}]/);
      const isIt = its === `heliograph_${bare}`;
      if (isIt && (labels === undefined || itsLabels.includes(labels))) sum += value;
    }
    return sum;
  }

  /** The accounts, as soon as so many notifications have no outcome. */
  async accounts(pending = 0): Promise<Accounts> {
    const deadline = performance.now() + ALL_ENDED_MS;
    for (;;) {
      const accounts = await this.service.accounts();
      if (accounts.pending === pending || performance.now() > deadline) return accounts;
      await pause(20);
    }
  }

  /** Of the process, as the kernel counts it. */
  residentBytes(): number {
    const status = readFileSync(`/proc/${this.service.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1_024;
  }

  /** It lives and serves: a notification goes all the way. */
  async serves(): Promise<boolean> {
    const { device, endpoint } = await this.subscribed();
    const answer = await fetch(endpoint, { method: 'POST', headers: { ttl: '60' } });
    device.ack(await device.next('notification'));
    await device.leave();
    return answer.status === 201;
  }

  dispose(): Promise<void> {
    return this.service.dispose();
  }
}

/** Takes and acknowledges so many, then proves that nothing else comes. */
export async function takeAll(device: Device, count: number): Promise<readonly Frame[]> {
  const all: Frame[] = [];
  while (all.length < count) {
    const one = await device.next('notification');
    device.ack(one);
    all.push(one);
  }
  return [...all, ...(await device.notificationsUntilAnswer())];
}
