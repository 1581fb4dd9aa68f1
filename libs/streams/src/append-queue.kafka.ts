/**
 * What waits to be appended to Kafka, one line per partition. A partition is in one request at a time: kafkajs does
 * not send requests in the order of its calls (one that waits for metadata is overtaken), and deliveries out of
 * order would be dropped by their session.
 */
import type { StreamRecord } from './record.js';

/** Per request. */
const RECORDS_MAX = 100;
/** Per partition of a request; brokers take 1 MiB. */
const PARTITION_BYTES_MAX = 524_288;
/** Key, headers and framing of one record, roughly. */
const OVERHEAD_BYTES = 100;

/** Records that are acknowledged together. */
export interface Waiting {
  readonly records: readonly StreamRecord[];
  readonly bytes: number;
  readonly since: number;
  /** Until it is in; otherwise once. */
  readonly isRepeated: boolean;
  /** Answered already: refused as late. */
  isDone: boolean;
  readonly resolve: (offset: number) => void;
  readonly reject: (error: Error) => void;
}

/** The line of one partition. */
export class Place {
  /** Those before {@link head} have left. */
  waiting: Waiting[] = [];
  head = 0;
  isBusy = false;
  isListed = false;
  /** Its last request failed: the next one is of it alone, and not before this time. */
  isSuspect = false;
  notBefore = 0;

  constructor(
    readonly topic: string,
    readonly partition: number,
  ) {}

  get first(): Waiting | undefined {
    return this.waiting[this.head];
  }
}

/** What one request takes from one line. */
export interface Load {
  readonly place: Place;
  readonly waiting: readonly Waiting[];
}

export class AppendQueue {
  /** Of what waits, not of what is in a request. */
  bytes = 0;
  private readonly places = new Map<string, Place>();
  /** Lines from which something can be taken, in turn. */
  private readonly ready: Place[] = [];

  get isEmpty(): boolean {
    for (const place of this.places.values()) if (place.first !== undefined) return false;
    return true;
  }

  push(topic: string, partition: number, waiting: Waiting): void {
    const key = `${topic}/${partition}`;
    let place = this.places.get(key);
    if (place === undefined) this.places.set(key, (place = new Place(topic, partition)));
    place.waiting.push(waiting);
    this.bytes += waiting.bytes;
    this.list(place);
  }

  /**
   * The next request, of one kind: what is tried once must not fail for what is tried again. `suspect`: the request of
   * one partition whose last one failed; it would fail the others, whose broker or stream is another.
   */
  take(nowMs: number, { isSuspect }: { readonly isSuspect: boolean }): readonly Load[] {
    const loads: Load[] = [];
    let records = 0;
    let isRepeated: boolean | undefined;
    for (let turns = this.ready.length; turns > 0 && records < RECORDS_MAX; turns--) {
      const place = this.ready.shift() as Place;
      const first = this.firstOf(place);
      place.isListed = first !== undefined;
      if (first === undefined) continue;
      const isOther = isRepeated !== undefined && isRepeated !== first.isRepeated;
      if (place.isSuspect !== isSuspect || place.notBefore > nowMs || isOther) {
        this.ready.push(place);
        continue;
      }
      isRepeated = first.isRepeated;
      const waiting = this.takeFrom(place, RECORDS_MAX - records);
      for (const one of waiting) records += one.records.length;
      place.isListed = false;
      place.isBusy = true;
      loads.push({ place, waiting });
      if (isSuspect) break;
    }
    return loads;
  }

  /** The request was answered. */
  release(place: Place): void {
    place.isBusy = false;
    place.isSuspect = false;
    place.notBefore = 0;
    this.list(place);
  }

  /** The request failed. What is to go out again goes back to the head of the line. */
  putBack(place: Place, again: readonly Waiting[], notBefore: number): void {
    place.isBusy = false;
    place.isSuspect = true;
    place.notBefore = notBefore;
    place.waiting = [...again, ...place.waiting.slice(place.head)];
    place.head = 0;
    for (const { bytes } of again) this.bytes += bytes;
    this.list(place);
  }

  /** Those that are tried once, have waited since before that time, and are not answered. */
  *late(before: number): Generator<Waiting> {
    for (const { waiting, head } of this.places.values()) {
      for (let at = head; at < waiting.length; at++) {
        const one = waiting[at] as Waiting;
        if (one.since >= before) break;
        if (!one.isRepeated && !one.isDone) yield one;
      }
    }
  }

  *all(): Generator<Waiting> {
    for (const { waiting, head } of this.places.values()) yield* waiting.slice(head);
  }

  private list(place: Place): void {
    if (place.isBusy || place.isListed || place.first === undefined) return;
    place.isListed = true;
    this.ready.push(place);
  }

  /** Passes over what was answered meanwhile. */
  private firstOf(place: Place): Waiting | undefined {
    while (place.first?.isDone) place.head++;
    return place.first;
  }

  /** At least one. */
  private takeFrom(place: Place, recordsMax: number): Waiting[] {
    const taken: Waiting[] = [];
    let records = 0;
    let bytes = 0;
    for (let next = this.firstOf(place); next !== undefined; next = this.firstOf(place)) {
      const isFull =
        records + next.records.length > recordsMax || bytes + next.bytes > PARTITION_BYTES_MAX;
      const isOther = taken[0] !== undefined && taken[0].isRepeated !== next.isRepeated;
      if (taken.length > 0 && (isFull || isOther)) break;
      taken.push(next);
      records += next.records.length;
      bytes += next.bytes;
      this.bytes -= next.bytes;
      place.head++;
    }
    if (place.head === place.waiting.length || place.head > 1_000) {
      place.waiting = place.waiting.slice(place.head);
      place.head = 0;
    }
    return taken;
  }
}

/** Parts that each fit into a request, in order. */
export function inParts(records: readonly StreamRecord[]): readonly (readonly StreamRecord[])[] {
  const parts: StreamRecord[][] = [];
  let part: StreamRecord[] | undefined;
  let bytes = 0;
  for (const record of records) {
    bytes += bytesOf(record);
    if (!part || part.length === RECORDS_MAX || bytes > PARTITION_BYTES_MAX) {
      parts.push((part = []));
      bytes = bytesOf(record);
    }
    part.push(record);
  }
  return parts;
}

export function bytesOf({ key, value }: StreamRecord): number {
  return key.length + (value?.length ?? 0) + OVERHEAD_BYTES;
}
