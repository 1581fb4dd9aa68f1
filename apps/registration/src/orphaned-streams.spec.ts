import { describe, expect, test } from 'vitest';
import { Log } from '#runtime';
import type { Fields } from '#runtime';
import { DeliveryStreams } from '#streams';
import { EmbeddedLeases, EmbeddedStore } from '#view.embedded';
import { LOOK_MS, ORPHANED_AFTER_MS, OrphanedStreams } from './orphaned-streams.js';

const LOOKS_A_DAY = ORPHANED_AFTER_MS / LOOK_MS;

class KnownStreams extends DeliveryStreams {
  isAway = false;

  constructor(private known: readonly string[]) {
    super();
  }

  override gateways(): Promise<readonly string[]> {
    return this.isAway ? Promise.reject(new Error('Kafka is away')) : Promise.resolve(this.known);
  }

  override remove(gateway: string): Promise<void> {
    this.known = this.known.filter((known) => known !== gateway);
    return Promise.resolve();
  }
}

async function fleet(...gateways: readonly string[]) {
  let now = 0;
  const store = new EmbeddedStore({ partitions: 1, mailboxMax: 10, clock: () => now });
  const leases = new EmbeddedLeases(store);
  const streams = new KnownStreams(gateways);
  const said: Fields[] = [];
  const log = Log.into((line) => void said.push(line));
  const orphans = new OrphanedStreams({ streams, leases }, log);
  /** So many looks, each after its time. */
  const look = async (times: number, live: readonly string[] = []): Promise<void> => {
    for (let i = 0; i < times; i++) {
      now += LOOK_MS;
      for (const gateway of live) await leases.set(gateway, 1, 15_000);
      await orphans.look(now);
    }
  };
  const skip = (ms: number): void => void (now += ms);
  return { streams, said, look, skip };
}

describe('the stream of a gateway', () => {
  test('that has had no lease for a day goes, those that have one stay', async () => {
    const { streams, said, look } = await fleet('gone', 'live');
    await look(LOOKS_A_DAY, ['live']);
    expect(await streams.gateways()).toEqual(['gone', 'live']);
    await look(1, ['live']);
    expect(await streams.gateways()).toEqual(['live']);
    expect(said).toMatchObject([{ gateway: 'gone' }]);
    await look(3 * LOOKS_A_DAY, ['live']);
    expect(await streams.gateways()).toEqual(['live']);
  });

  test('that came back for a moment has another day', async () => {
    const { streams, look } = await fleet('late');
    await look(LOOKS_A_DAY);
    await look(1, ['late']);
    await look(LOOKS_A_DAY);
    expect(await streams.gateways()).toEqual(['late']);
    await look(1);
    expect(await streams.gateways()).toEqual([]);
  });

  test('stays when nobody could look meanwhile, or did', async () => {
    const { streams, look, skip } = await fleet('unknown');
    await look(LOOKS_A_DAY);
    streams.isAway = true;
    await look(1);
    streams.isAway = false;
    await look(LOOKS_A_DAY);
    expect(await streams.gateways()).toEqual(['unknown']);
    skip(2 * LOOK_MS);
    await look(LOOKS_A_DAY);
    expect(await streams.gateways()).toEqual(['unknown']);
    await look(1);
    expect(await streams.gateways()).toEqual([]);
  });
});
