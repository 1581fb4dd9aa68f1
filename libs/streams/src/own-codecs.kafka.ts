/**
 * Puts our codecs of the two requests that make up the traffic in the place of kafkajs's (2.2.4), which also looks for
 * the file of its codec on disk for each of them. Only for the versions that are written here: with brokers older than
 * 2.3, and for whatever else is asked of it, kafkajs goes its own way.
 */
import { createRequire } from 'node:module';
import { encodeProduce, type Produce } from './produce-bytes.kafka.js';

/** Of one version of a request: what is sent, and how the answer is read. */
interface Exchange {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    /** `buf`: by what kafkajs knows an encoder. */
    readonly encode: () => Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>;
    readonly expectResponse?: () => boolean;
  };
  readonly response: Response;
  readonly requestTimeout?: number;
}

interface Response {
  readonly decode: (bytes: Buffer) => Promise<unknown>;
  readonly parse: (decoded: unknown) => Promise<unknown>;
}

type MakeExchange<Asked> = (asked: Asked) => Exchange;

interface Api<Asked> {
  protocol: (of: { readonly version: number }) => MakeExchange<Asked> | undefined;
}

const require = createRequire(import.meta.url);
const requests = 'kafkajs/src/protocol/requests';
const responseOf = (name: string): Response => require(`${requests}/${name}/response`) as Response;

const produced = responseOf('produce/v7');
replace<Produce & { readonly compression: number; readonly transactionalId?: string }>(
  'produce',
  7,
  ({ compression, transactionalId, ...asked }) => {
    if (compression !== 0 || transactionalId !== undefined) return undefined;
    return {
      request: {
        ...{ apiKey: 0, apiVersion: 7, apiName: 'Produce' },
        expectResponse: () => asked.acks !== 0,
        encode: () => encoder(() => encodeProduce(asked, Date.now())),
      },
      response: produced,
    };
  },
);

/** `ours` returns undefined for what it does not speak. */
function replace<Asked>(
  name: string,
  version: number,
  ours: (asked: Asked) => Exchange | undefined,
): void {
  const api = require(`${requests}/${name}`) as Api<Asked>;
  const { protocol } = api;
  const theirs = protocol({ version }) as MakeExchange<Asked>;
  const either: MakeExchange<Asked> = (asked) => ours(asked) ?? theirs(asked);
  api.protocol = (of) => (of.version === version ? either : protocol(of));
}

/** Rejects where `write` throws: kafkajs sends nothing then. */
async function encoder(
  write: () => Buffer,
): Promise<{ readonly buf: Buffer; readonly buffer: Buffer }> {
  const bytes = write();
  return Promise.resolve({ buf: bytes, buffer: bytes });
}
