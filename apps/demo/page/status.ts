/** The lamp at the top: how the connection to the push service is. */
import { byId } from './element.js';
import { duration } from './spoken.js';
import type { Connection } from './way.js';

const SECOND_MS = 1_000;

export class Status {
  private timer: number | undefined;

  /** `clientName`: of the push client that holds the connection. */
  constructor(private readonly clientName: string) {}

  show(connection: Connection): void {
    clearInterval(this.timer);
    byId('take-back').hidden = connection.kind !== 'elsewhere';
    switch (connection.kind) {
      case 'open':
        return this.say('good', `Live · ${this.clientName.toLowerCase()}`);
      case 'hidden':
        return this.say('good', `Subscribed · ${this.clientName} holds the connection`);
      case 'connecting':
        return this.say('busy', 'Connecting');
      case 'waiting':
        return this.countDown(Date.now() + connection.retryInMs);
      case 'elsewhere':
        return this.say('idle', 'Live in another tab');
      case 'closed':
        return this.say('idle', 'Not subscribed');
    }
  }

  private countDown(until: number): void {
    const tick = (): void => {
      const left = Math.max(0, until - Date.now());
      const when =
        left < SECOND_MS ? 'now' : `in ${duration(Math.round(left / SECOND_MS) * SECOND_MS)}`;
      this.say('bad', `Push service away · trying again ${when.replace('.0', '')}`);
    };
    tick();
    this.timer = window.setInterval(tick, SECOND_MS);
  }

  private say(state: 'good' | 'busy' | 'bad' | 'idle', text: string): void {
    byId('status').dataset['state'] = state;
    byId('status-text').textContent = text;
  }
}
