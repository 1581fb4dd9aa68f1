import { describe, expect, test } from 'vitest';
import { QuietHeap } from './quiet-heap.js';

const MB = 1024 * 1024;

/** A process whose memory and work the test sets. */
class Owner {
  cpu = 0;
  resident = 100 * MB;
  used = 20 * MB;
  afterCollection = 80 * MB;
  collections = 0;
  cpuMs = (): number => this.cpu;
  residentBytes = (): number => this.resident;
  heapUsedBytes = (): number => this.used;
  collect = (): void => {
    this.collections++;
    this.resident = this.afterCollection;
  };
}

function quiet(): { owner: Owner; heap: QuietHeap } {
  const owner = new Owner();
  const heap = new QuietHeap(owner);
  heap.start();
  return { owner, heap };
}

describe('the heap of a process that waits', () => {
  test('is collected at start', () => {
    expect(quiet().owner.collections).toBe(1);
  });

  test('is collected once after a burst, when the burst is over', () => {
    const { owner, heap } = quiet();
    owner.resident = 130 * MB;
    owner.cpu += 5_000;
    heap.look();
    expect(owner.collections).toBe(1);
    owner.cpu += 100;
    owner.afterCollection = 110 * MB;
    heap.look();
    expect(owner.collections).toBe(2);
    heap.look();
    heap.look();
    expect(owner.collections).toBe(2);
  });

  test('is left alone when little can be won', () => {
    const { owner, heap } = quiet();
    owner.resident += 11 * MB;
    heap.look();
    expect(owner.collections).toBe(1);
  });

  test('is left alone when it is large: that would take too long', () => {
    const { owner, heap } = quiet();
    owner.resident += 200 * MB;
    owner.used = 97 * MB;
    heap.look();
    expect(owner.collections).toBe(1);
  });

  test('of this process can be collected', () => {
    const before = process.memoryUsage().heapUsed;
    const rubbish = Array.from({ length: 200_000 }, (_, i) => ({ i }));
    expect(rubbish.length).toBe(200_000);
    rubbish.length = 0;
    new QuietHeap().start();
    expect(process.memoryUsage().heapUsed).toBeLessThan(before + 8 * MB);
  });
});
