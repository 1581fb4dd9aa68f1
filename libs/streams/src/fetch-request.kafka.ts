/**
 * One fetch from one broker, over a connection of kafkajs's. Brokers older than 2.3 speak another version of it, and
 * kafkajs's own codec then.
 */
import { createRequire } from 'node:module';
import { ask, type Broker, type Exchange } from './cluster.kafka.js';
import {
  READ_COMMITTED,
  decodeFetched,
  encodeFetch,
  offsetsOf,
  type Fetch,
  type Fetched,
  type FetchedPartition,
} from './fetch-bytes.kafka.js';
import { fromTheirs, type TheirPartition } from './their-batches.kafka.js';

/** A request in all its versions; kafkajs takes the newest that both sides know. */
interface Versions<Asked> {
  readonly versions: readonly string[];
  readonly protocol: (of: { readonly version: number }) => (asked: Asked) => Exchange;
}

interface TheirFetch {
  readonly maxWaitTime: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly isolationLevel: number;
  readonly rackId: string;
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly fetchOffset: string;
      readonly maxBytes: number;
    }[];
  }[];
}

interface TheirAnswer {
  readonly responses: readonly {
    readonly partitions: readonly (TheirPartition & { readonly errorCode: number })[];
  }[];
}

const require = createRequire(import.meta.url);
const { protocol, versions } = (
  require('kafkajs/src/protocol/requests') as {
    readonly requests: { readonly Fetch: Versions<TheirFetch> };
  }
).requests.Fetch;

const FETCH = 1;
const VERSION = 11;
/** As kafkajs: the broker holds a fetch back for so long, and the network takes its time. */
const NETWORK_MS = 100;

export const FETCH_VERSIONS: Versions<Fetch> = {
  versions,
  protocol: ({ version }) => (version === VERSION ? ours : (asked) => theirs(version, asked)),
};

/** What the partitions that say something say. Rejects as kafkajs does; errors of partitions are theirs. */
export async function fetchFrom(
  broker: Broker,
  asked: Fetch,
): Promise<readonly FetchedPartition[]> {
  const fetched = await ask(broker, broker.lookupRequest(FETCH, FETCH_VERSIONS)(asked));
  return (fetched as Fetched).partitions;
}

function ours(asked: Fetch): Exchange {
  return {
    request: {
      ...{ apiKey: FETCH, apiVersion: VERSION, apiName: 'Fetch' },
      encode: () => {
        const buffer = encodeFetch(asked);
        return Promise.resolve({ buf: buffer, buffer });
      },
    },
    response: {
      decode: (bytes) => decodeFetched(bytes, asked),
      parse: (decoded) => Promise.resolve(decoded),
    },
    requestTimeout: asked.maxWaitMs + NETWORK_MS,
  };
}

function theirs(version: number, asked: Fetch): Exchange {
  const { topic, places, partitionBytesMax, minBytes, maxBytes, maxWaitMs } = asked;
  const partitions = places.map(({ partition, offset }) => ({
    ...{ partition, fetchOffset: String(offset), maxBytes: partitionBytesMax },
  }));
  const { request, response, requestTimeout } = protocol({ version })({
    ...{ maxWaitTime: maxWaitMs, minBytes, maxBytes, isolationLevel: READ_COMMITTED, rackId: '' },
    topics: [{ topic, partitions }],
  });
  return {
    ...{ request, requestTimeout },
    response: {
      decode: response.decode,
      parse: (decoded) => Promise.resolve(fetchedBy(decoded as TheirAnswer, asked)),
    },
  };
}

function fetchedBy({ responses }: TheirAnswer, { places }: Fetch): Fetched {
  const offsets = offsetsOf(places);
  const partitions = responses.flatMap(({ partitions }) =>
    partitions.map(({ errorCode, ...one }): FetchedPartition => {
      const from = offsets.get(one.partition) ?? 0;
      return { partition: one.partition, from, errorCode, ...fromTheirs(one, from) };
    }),
  );
  const saying = partitions.filter(({ errorCode, next, from }) => errorCode !== 0 || next > from);
  return { clientSideThrottleTime: 0, partitions: saying };
}
