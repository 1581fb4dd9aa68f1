/** A process of the load: `child.js devices` or `child.js senders`. Its parent says over IPC what is to be done. */
import { Fleet } from './fleet.js';
import type { ConnectOrder, FromChild, Orders, Second, SendOrder, ToChild } from './messages.js';
import type { Address } from './messages.js';
import { Senders } from './senders.js';

type Part = { readonly [Name in keyof Orders]?: (order: never) => unknown };

const tell = (message: FromChild): void => void process.send?.(message);

function devices(): Part {
  const fleet = new Fleet((second: Second) => tell(second));
  return {
    connect: (order: ConnectOrder) => fleet.connect(order),
    begin: ({ zeroMs }: { zeroMs: number }) => fleet.begin(zeroMs),
    addresses: (gateways: readonly Address[]) => void (fleet.gateways = gateways),
    received: () => fleet.received(),
    leave: () => fleet.leave(),
  };
}

function senders(): Part {
  const all = new Senders((second: Second) => tell(second));
  return {
    prepare: (order: SendOrder) => all.prepare(order),
    begin: ({ zeroMs }: { zeroMs: number }) => all.begin(zeroMs),
    addresses: (ingests: readonly Address[]) => all.moveTo(ingests),
    stop: () => all.stop(),
  };
}

const part = process.argv[2] === 'senders' ? senders() : devices();
process.on('message', ({ id, name, order }: ToChild) => {
  const act = async (): Promise<unknown> => part[name]?.(order as never);
  act().then(
    (answer) => tell({ id, answer }),
    (error: unknown) => tell({ id, error: String(error) }),
  );
});
// Nobody is left to report to.
process.on('disconnect', () => process.exit(1));
