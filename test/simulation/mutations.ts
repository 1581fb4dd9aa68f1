/**
 * What is done to the code, to see that the checks notice: each takes away one clause of design §5, in a call on its
 * way to a store or in a method of a class, while its schedules are played. The code itself knows nothing of it.
 */
import type { LogRecord } from '#streams';
import type { Applied, Command, Holder, Settled } from '#view';
import type { DeviceId } from '#webpush';
import { Settler } from '#outcomes';
import { Claims } from '../../apps/gateway/src/claims.js';
import { OnDelivery } from '../../apps/gateway/src/on-delivery.js';
import { Reading } from '../../apps/gateway/src/reading.js';
import { Recheck } from '../../apps/gateway/src/recheck.js';
import type { Session } from '../../apps/gateway/src/session.js';
import { OwnedPartitions } from '../../apps/router/src/owned-partition.js';
import { Router } from '../../apps/router/src/router.js';
import { TakeOver } from '../../apps/router/src/take-over.js';
import type { Call, Execute } from './calls.js';
import type { Mutation, Scene } from './scene.js';
import { SimLog } from './sim-log.js';
import { SimProducer } from './sim-streams.js';

type Around = NonNullable<Mutation['around']>;

/** Only calls of one method. */
function on(what: string, around: Around): Pick<Mutation, 'around'> {
  return {
    around: (call, execute, scene) =>
      call.what === what ? around(call, execute, scene) : execute(),
  };
}

type Method = (this: unknown, ...args: never[]) => unknown;

function instead(
  of: { readonly prototype: object },
  name: string,
  change: (original: Method) => Method,
): Pick<Mutation, 'patch'> {
  const { prototype } = of;
  return {
    patch: () => {
      const original = Reflect.get(prototype, name) as Method;
      if (typeof original !== 'function') throw new Error(`there is no method ${name} any more`);
      Reflect.set(prototype, name, change(original));
      return () => Reflect.set(prototype, name, original);
    },
  };
}

/** The view of the partition that a call is about. */
const viewOf = ({ args }: Call, { store }: Scene) => store.partition(args[0] as number);

interface Batch {
  readonly commands: readonly Command[];
  readonly next: number;
}

const batchOf = ({ args }: Call): Batch => args[2] as Batch;

/** With other arguments: beliefs and batches are what calls were made with. */
function withArg(call: Call, index: number, arg: unknown, execute: Execute): Promise<unknown> {
  (call.args as unknown[])[index] = arg;
  return execute();
}

const VIEW: readonly Mutation[] = [
  {
    name: 'routed-before-delivered',
    ...on('view.apply', async (call, execute, scene) => {
      const applied = await execute();
      const { mark } = viewOf(call, scene);
      if (applied && mark?.state === 'ready') mark.routed = Math.max(mark.routed, mark.applied);
      return applied;
    }),
  },
  {
    name: 'applied-not-compared',
    ...on('view.apply', (call, execute, scene) => {
      const { mark } = viewOf(call, scene);
      const belief = call.args[1] as { readonly applied: number };
      return withArg(call, 1, { ...belief, applied: mark?.applied }, execute);
    }),
  },
  {
    name: 'fold-replaces',
    ...on('view.apply', async (call, execute, scene) => {
      const view = viewOf(call, scene);
      const isFold = view.mark?.state === 'rebuilding';
      const applied = (await execute()) as Applied | undefined;
      if (!applied || !isFold) return applied;
      const announcements = [...applied.announcements];
      for (const command of batchOf(call).commands) {
        if (command.kind !== 'put' || command.topic === undefined) continue;
        const { device, topic, subscription, offset } = command;
        for (const entry of [...(view.devices.get(device)?.mail?.box ?? [])]) {
          const isOfTopic = entry.topic === topic && entry.subscription === subscription;
          if (!isOfTopic || entry.offset >= offset) continue;
          announcements.push(view.decide(entry, 'replaced'));
        }
      }
      return { ...applied, announcements };
    }),
  },
  {
    name: 'fold-bounds',
    ...on('view.apply', async (call, execute, scene) => {
      const view = viewOf(call, scene);
      const isFold = view.mark?.state === 'rebuilding';
      const applied = (await execute()) as Applied | undefined;
      const announcements = [...(applied?.announcements ?? [])];
      for (const { mail } of isFold ? view.devices.values() : []) {
        if (mail) view.bound(mail, announcements);
      }
      return applied && { ...applied, announcements };
    }),
  },
  {
    name: 'fold-notes-no-topics',
    ...on('view.finish', (call, execute, scene) => {
      viewOf(call, scene).foldedTopics = undefined;
      return execute();
    }),
  },
  {
    name: 'outcomes-not-executed',
    ...on('view.apply', (call, execute, scene) => {
      if (viewOf(call, scene).mark?.state !== 'ready') return execute();
      const { commands, next } = batchOf(call);
      const others = commands.filter(({ kind }) => kind !== 'outcome');
      return withArg(call, 2, { commands: others, next }, execute);
    }),
  },
  {
    name: 'gone-without-facts',
    ...on('view.apply', async (call, execute, scene) => {
      const { subscriptionsMark } = viewOf(call, scene);
      const state = subscriptionsMark?.state;
      if (subscriptionsMark) subscriptionsMark.state = 'ready';
      const applied = execute();
      if (subscriptionsMark && state) subscriptionsMark.state = state;
      return applied;
    }),
  },
  {
    name: 'instants-not-again',
    ...on('view.apply', async (call, execute) => {
      const { applied } = call.args[1] as { readonly applied: number };
      const answer = (await execute()) as { routables: { offset: number; ttlSeconds: number }[] };
      const isFirst = (one: { offset: number; ttlSeconds: number }): boolean =>
        one.ttlSeconds > 0 || one.offset >= applied;
      return answer && { ...answer, routables: answer.routables.filter(isFirst) };
    }),
  },
  {
    name: 'sweep-compares-one-mark',
    ...on('view.sweepGone', (call, execute, scene) => {
      const { mark, subscriptionsMark } = viewOf(call, scene);
      if (!mark || !subscriptionsMark) return execute();
      const views = { notifications: mark.viewId, subscriptions: subscriptionsMark.viewId };
      const { state } = subscriptionsMark;
      subscriptionsMark.state = 'ready';
      const answer = withArg(call, 1, views, execute);
      subscriptionsMark.state = state;
      return answer;
    }),
  },
  {
    name: 'acks-of-a-rebuild-are-dropped',
    ...on('view.settle', async (call, execute) => {
      const settled = (await execute()) as Settled;
      const isDropped = settled.state !== 'ready' && call.args[2] === undefined;
      return isDropped ? { state: 'ready', viewId: '', announcements: [] } : settled;
    }),
  },
  {
    name: 'outbox-cleared-too-early',
    ...on('view.settle', async (call, execute, scene) => {
      const settled = await execute();
      viewOf(call, scene).outbox.clear();
      return settled;
    }),
  },
];

const PRESENCE: readonly Mutation[] = [
  {
    name: 'release-not-compared',
    ...on('presence.release', (call, execute, scene) => {
      const { store } = scene;
      const id = call.args[0] as DeviceId;
      const view = store.partitionOf(id);
      const device = view.devices.get(id);
      if (device?.boot && view.mark?.state === 'ready') store.holders.clear(device);
      return execute();
    }),
  },
  {
    name: 'reclaim-always-wins',
    ...on('presence.reclaim', (call, execute) => withArg(call, 2, Infinity, execute)),
  },
  {
    name: 'reclaim-wins-on-its-gateway',
    ...on('presence.reclaim', (call, execute, { store }) => {
      const [id, holder] = call.args as [DeviceId, Holder];
      const held = store.holders.of(store.partitionOf(id).devices.get(id), store.now());
      return held?.gateway === holder.gateway ? withArg(call, 2, Infinity, execute) : execute();
    }),
  },
  {
    name: 'since-by-the-gateways-clock',
    ...on('presence.hello', async (call, execute) => {
      const claimed = (await execute()) as { readonly since: number };
      return { ...claimed, since: claimed.since + call.process.skewMs };
    }),
  },
  {
    name: 'lease-set-over-another',
    ...on('leases.set', (call, execute, { store }) => {
      store.leases.delete(call.args[0] as string);
      return execute();
    }),
  },
  {
    name: 'renewal-takes-any-lease',
    ...on('leases.renew', async (call, execute, { store }) => {
      const answer = await execute();
      if (answer !== 'lost') return answer;
      const [gateway, epoch, ttlMs] = call.args as [string, number, number];
      store.leases.set(gateway, { epoch, endsAt: store.now() + ttlMs });
      return 'renewed';
    }),
  },
];

const SUBSCRIPTIONS: readonly Mutation[] = [
  {
    name: 'no-write-through',
    ...on('subscriptions.writeThrough', () => Promise.resolve()),
  },
  {
    name: 'write-through-below-applied',
    ...on('subscriptions.writeThrough', (call, execute, { store }) => {
      const { subscriptionsMark: mark } = store.partitionOf((call.args[0] as Change).device);
      if (!mark) return execute();
      const { applied } = mark;
      mark.applied = 0;
      const done = execute();
      mark.applied = applied;
      return done;
    }),
  },
  {
    name: 'creating-clears',
    ...on('subscriptions.createMark', (call, execute, scene) => {
      const view = viewOf(call, scene);
      if (!view.subscriptionsMark) {
        for (const device of view.devices.values()) device.subscriptions = undefined;
      }
      return execute();
    }),
  },
  {
    name: 'missing-is-a-fact',
    ...on('lookup.find', async (_, execute) => ({
      ...((await execute()) as object),
      state: 'ready',
    })),
  },
];

interface Change {
  readonly device: DeviceId;
}

/** Of classes. */
const CODE: readonly Mutation[] = [
  {
    name: 'level-without-an-empty-read',
    ...instead(
      Reading,
      'take',
      (original) =>
        function take(this: unknown, ...args: never[]) {
          original.apply(this, args);
          const [session, entries] = args as readonly unknown[] as [Session, unknown];
          if (entries !== undefined) session.isLevel = true;
        },
    ),
  },
  {
    name: 'level-during-a-claim',
    ...instead(
      Claims,
      'reclaim',
      (original) =>
        async function reclaim(this: unknown, ...args: never[]) {
          const [session] = args as readonly unknown[] as [Session];
          const { isLevel, lastSent } = session;
          const done = original.apply(this, args);
          session.isLevel = isLevel && session.lastSent === lastSent;
          await done;
          session.isLevel = isLevel;
        },
    ),
  },
  {
    name: 'hello-keeps-its-old-epoch',
    ...instead(
      Claims,
      'hello',
      (original) =>
        async function hello(this: unknown, ...args: never[]) {
          const isAnswered = await original.apply(this, args);
          (args[0] as unknown as Session).claimsAgain = false;
          return isAnswered;
        },
    ),
  },
  {
    name: 'displaced-is-not-told',
    ...instead(Claims, 'tell', () => () => Promise.resolve()),
  },
  {
    name: 'displaces-whoever-is-there',
    ...instead(
      OnDelivery,
      'displace',
      () =>
        function displace(this: unknown, _: never, device: never) {
          const { parts } = this as {
            parts: { connections: { of(id: string): Session | undefined } };
          };
          parts.connections.of(device)?.close('displaced');
        },
    ),
  },
  {
    name: 'delivers-to-any-connection',
    ...instead(
      OnDelivery,
      'sessionOf',
      () =>
        function sessionOf(this: unknown, delivery: never) {
          const { parts } = this as {
            parts: { connections: { of(id: string): Session | undefined } };
          };
          const { record } = delivery as { readonly record: Buffer };
          return parts.connections.of(record.toString('hex', 1, 17));
        },
    ),
  },
  {
    name: 'told-and-only-reads',
    ...instead(
      OnDelivery,
      'viewReady',
      () =>
        function viewReady(this: unknown, partition: never) {
          const { parts } = this as {
            parts: {
              connections: { visitAll(visit: (session: Session) => void): void };
              reading: Reading;
            };
          };
          parts.connections.visitAll((session) => {
            if (session.device === undefined || session.partition !== partition) return;
            session.fallBehind();
            parts.reading.soon(session);
          });
        },
    ),
  },
  {
    name: 'nobody-is-told',
    ...instead(
      TakeOver,
      'tell',
      () =>
        function tell(this: unknown, owned: never) {
          const { ports } = this as { ports: { view: { setTold(...args: unknown[]): unknown } } };
          return ports.view.setTold((owned as { partition: number }).partition, owned);
        },
    ),
  },
  {
    name: 'a-failed-batch-is-done',
    ...instead(
      Router,
      'onBatch',
      (original) =>
        async function onBatch(this: unknown, ...args: never[]) {
          try {
            return await original.apply(this, args);
          } catch {
            return (args[0] as unknown as Batch).next;
          }
        },
    ),
  },
  {
    name: 'a-failed-append-is-repeated',
    ...instead(
      SimProducer,
      'append',
      () =>
        function append(this: unknown, stream: never, partition: never, record: never) {
          const { line } = this as { line(stream: string, partition: number): Line };
          const to = line.call(this, stream, partition);
          return new Promise((resolve, reject) => {
            to.push({ records: [record], isRepeated: true, isDone: false, resolve, reject });
          });
        },
    ),
  },
  {
    name: 'the-recheck-closes-nothing',
    ...instead(Recheck, 'isOutOfStep', () => () => Promise.resolve(false)),
  },
  {
    name: 'acks-under-way-do-not-count',
    ...instead(Settler, 'underWay', () => () => []),
  },
  {
    name: 'leases-cached-for-ever',
    ...instead(
      OwnedPartitions,
      'add',
      (original) =>
        function add(this: unknown, ...args: never[]) {
          const owned = original.apply(this, args) as { leases: Map<string, number> };
          owned.leases.clear = () => undefined;
          return owned;
        },
    ),
  },
];

interface Line {
  push(waiting: object): void;
}

/** Of the log. */
const LOG: readonly Mutation[] = [
  {
    name: 'a-cancel-has-its-messages-key',
    ...instead(
      SimLog,
      'keyOf',
      () =>
        function keyOf(this: unknown, record: never) {
          const { key, headers } = record as LogRecord;
          return key.toString('latin1', headers?.cancel === undefined ? 0 : 1);
        },
    ),
  },
  {
    name: 'tombstones-go-at-once',
    ...instead(SimLog, 'isDue', () => () => true),
  },
];

export const MUTATIONS: readonly Mutation[] = [
  ...[...VIEW, ...PRESENCE, ...SUBSCRIPTIONS],
  ...[...CODE, ...LOG],
];
