/** What a call did, in a line for people; calls that found nothing new say nothing. */
import { decodeDelivery, type Delivery, type StreamRecord } from '#streams';
import type { Call } from './calls.js';
import type { Trace } from './trace.js';
import type { World } from './world.js';

const BORING = /^(view\.mark|log\.end|log\.fetch|subscriptions\.mark|lookup\.)/;

export function describe(world: World, { process, what, args }: Call, told: unknown): void {
  const { trace } = world;
  if (!trace || BORING.test(what) || isNothing(what, told)) return;
  if (what === 'log.append') return describeAppend(world, process.name, args);
  const list = args.map((arg) => textOf(trace, arg)).join(' ');
  world.say(process.name, () => `${what} ${list} → ${textOf(trace, told)}`);
}

function isNothing(what: string, told: unknown): boolean {
  if (what === 'leases.renew') return told === 'renewed';
  return /expire|outbox|sweepGone/.test(what) && Array.isArray(told) && told.length === 0;
}

/** What comes to the log of notifications and subscriptions says itself, see LogTruth. */
function describeAppend(world: World, who: string, args: readonly unknown[]): void {
  const [stream, , records] = args as [string, number, readonly StreamRecord[]];
  if (!stream.startsWith('deliveries.')) return;
  for (const record of records) {
    world.say(who, () => `→ ${stream}: ${deliveryText(world, record)}`);
  }
}

function deliveryText({ trace }: World, record: StreamRecord): string {
  let delivery: Delivery;
  try {
    delivery = decodeDelivery(record);
  } catch {
    return 'garbage';
  }
  if (delivery.kind === 'ready') return `view ${delivery.partition} is ready`;
  const { connection } = delivery;
  const name = trace?.nameOf(String(connection)) ?? connection;
  return delivery.kind === 'displace' ? `${name} is displaced` : `${delivery.offset} for ${name}`;
}

/** The members that tell one kind of thing from the others, and how it is written. */
const KINDS: readonly (readonly [string, (trace: Trace, it: Members) => string])[] = [
  ['connection', (trace, it) => `${it.gateway}/${trace.nameOf(String(it.connection))}`],
  ['target', (_, it) => `${it.target} ${it.outcome}`],
  ['routables', applied],
  ['commands', (trace, it) => `${textOf(trace, it.commands)} up to ${it.next}`],
  ['changes', (trace, it) => `${textOf(trace, it.changes)} up to ${it.next}`],
  ['outcome', (_, it) => `${it.offset} ${it.outcome}`],
  ['isTold', (trace, it) => allOf(trace, it)],
  ['viewId', (_, it) => `${it.viewId} ${it.state} ${it.applied ?? ''}`.trimEnd()],
  ['ttlSeconds', notification],
  ['record', (_, it) => String(it.offset)],
];

interface Members {
  readonly [name: string]: unknown;
}

function textOf(trace: Trace, value: unknown): string {
  if (typeof value === 'string') return trace.nameOf(value);
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.map((one) => textOf(trace, one)).join(', ')}]`;
  const members = value as Members;
  const { kind } = members;
  if (kind === 'cancel') return `cancel ${textOf(trace, members.id)}`;
  if (/^(present|gone|seen|forgotten)$/.test(String(kind))) return change(trace, members);
  const found = KINDS.find(([member]) => member in members);
  return found ? found[1](trace, members) : allOf(trace, members);
}

function allOf(trace: Trace, members: Members): string {
  const texts = Object.entries(members).flatMap(([name, member]) => {
    return member === undefined ? [] : [`${name} ${textOf(trace, member)}`];
  });
  return `{${texts.join(', ')}}`;
}

function applied(trace: Trace, { routables, announcements }: Members): string {
  return `${textOf(trace, routables)}, decides ${textOf(trace, announcements)}`;
}

/** A command to put, or a notification that is to be routed. */
function notification(trace: Trace, it: Members): string {
  const { offset, device, subscription, ttlSeconds, topic, holder, kind } = it;
  const whose = textOf(trace, subscription ?? device);
  const about = `${offset} for ${whose}, TTL ${ttlSeconds}${topic ? `, topic ${String(topic)}` : ''}`;
  if (kind !== undefined) return about;
  return `${offset} → ${holder ? textOf(trace, holder) : 'nobody'}`;
}

function change(trace: Trace, it: Members): string {
  const { kind, device, subscription, offset, fingerprint } = it;
  const key = fingerprint === undefined ? '' : ` key ${String(fingerprint).slice(0, 4)}`;
  return `${offset} ${textOf(trace, subscription ?? device)} ${String(kind)}${key}`;
}
