/** A router whose consumer is the test: it reads when it is told to, as far as it is told to. */
import { Log } from '#runtime';
import type { Fields } from '#runtime';
import type { PartitionView } from '#view';
import { Router } from '../../apps/router/src/router.js';
import type { RouterPorts } from '../../apps/router/src/router-ports.js';
import type { Field } from './field.js';

export class HandDrivenRouter {
  readonly router: Router;
  /** What it said in its log. */
  readonly said: Fields[] = [];
  /** Why it wanted the process to end. */
  readonly stopped: Error[] = [];
  position = 0;

  constructor(
    private readonly field: Field,
    ports: Partial<RouterPorts> & { readonly view?: PartitionView } = {},
  ) {
    const { view, producer, catalog, leases, announcer } = field;
    this.router = new Router(
      { view, producer, catalog, leases, announcer, ...ports },
      {
        log: Log.into((line) => this.said.push(line)),
        stop: (reason) => this.stopped.push(reason),
        clock: () => field.now,
      },
    );
  }

  async assign(): Promise<number> {
    return (this.position = await this.router.onAssigned(0));
  }

  revoke(): void {
    this.router.onRevoked(0);
  }

  /** One call, as a consumer makes it; one that throws is made again. False: an idle call that moved nothing. */
  async step(countMax?: number): Promise<boolean> {
    const batch = await this.field.batch(this.position, countMax);
    const call = (): Promise<number | undefined> =>
      batch === undefined ? this.router.onIdle(0) : this.router.onBatch(batch);
    const to = await call();
    if (to === undefined) return false;
    this.position = to;
    return true;
  }

  /** Until there is nothing to read and nothing to take over. */
  async readOn(): Promise<void> {
    while (await this.step());
  }

  /** Assigned, and everything read. */
  async own(): Promise<void> {
    await this.assign();
    await this.readOn();
  }
}
