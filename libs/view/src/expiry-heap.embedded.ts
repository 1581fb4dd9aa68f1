/**
 * Every notification without an outcome, by the time at which it expires: a heap with four children per
 * node, so that the keys of siblings share a cache line. An entry knows its slot, so it is taken out
 * at once when it is settled, and a settled notification leaves nothing behind. The times lie in
 * one flat array: an entry needs no boxed number of its own.
 */
export interface HeapEntry {
  /** Its place in the heap; -1: not there. Written by the heap only. */
  slot: number;
}

const CAPACITY_MIN = 64;

export class ExpiryHeap<E extends HeapEntry> {
  private times = new Float64Array(CAPACITY_MIN);
  private readonly entries: E[] = [];

  get size(): number {
    return this.entries.length;
  }

  /** When an entry that is there expires, ms. */
  timeOf(entry: E): number {
    return this.times[entry.slot] as number;
  }

  /** The entry that expires first. */
  first(): E | undefined {
    return this.entries[0];
  }

  /** All entries, in no order; later changes do not show. */
  snapshot(): readonly E[] {
    return this.entries.slice();
  }

  add(entry: E, time: number): void {
    const slot = this.entries.length;
    if (slot === this.times.length) this.resize(slot * 2);
    this.entries.push(entry);
    this.rise(entry, time, slot);
  }

  remove(entry: E): void {
    const slot = entry.slot;
    const last = this.entries.length - 1;
    const moved = this.entries.pop() as E;
    entry.slot = -1;
    if (slot !== last) this.refill(moved, this.times[last] as number, slot);
    // At a quarter, not at a half: a heap that sways around a border is not copied each time.
    if (last >= CAPACITY_MIN && last < this.times.length / 4) this.resize(this.times.length / 2);
  }

  private refill(entry: E, time: number, slot: number): void {
    const parent = (slot - 1) >> 2;
    if (slot > 0 && (this.times[parent] as number) > time) this.rise(entry, time, slot);
    else this.sink(entry, time, slot);
  }

  private rise(entry: E, time: number, from: number): void {
    const { times, entries } = this;
    let slot = from;
    while (slot > 0) {
      const parent = (slot - 1) >> 2;
      const above = times[parent] as number;
      if (above <= time) break;
      times[slot] = above;
      this.place(entries[parent] as E, slot);
      slot = parent;
    }
    times[slot] = time;
    this.place(entry, slot);
  }

  private sink(entry: E, time: number, from: number): void {
    const { times, entries } = this;
    const end = entries.length;
    let slot = from;
    for (;;) {
      const first = slot * 4 + 1;
      if (first >= end) break;
      let least = first;
      for (let child = first + 1; child < first + 4 && child < end; child++) {
        if ((times[child] as number) < (times[least] as number)) least = child;
      }
      const below = times[least] as number;
      if (below >= time) break;
      times[slot] = below;
      this.place(entries[least] as E, slot);
      slot = least;
    }
    times[slot] = time;
    this.place(entry, slot);
  }

  private place(entry: E, slot: number): void {
    this.entries[slot] = entry;
    entry.slot = slot;
  }

  private resize(capacity: number): void {
    const times = new Float64Array(capacity);
    times.set(this.times.subarray(0, Math.min(capacity, this.times.length)));
    this.times = times;
  }
}
