/**
 * How kafkajs 2.2.4 sends a request, made less: it writes each twice into memory of its own, and words for its debug
 * log, which is off, of what goes out and of what comes back.
 */
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';

interface Exchange {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    readonly encode: () => Promise<{ readonly buffer: Buffer }>;
    readonly expectResponse?: () => boolean;
  };
  readonly response: {
    readonly decode: (
      bytes: Buffer,
    ) => Promise<{ readonly clientSideThrottleTime?: number | null }>;
    readonly parse: (decoded: unknown) => Promise<unknown>;
  };
  /** ms */
  readonly requestTimeout?: number | null;
  readonly logResponseError?: boolean;
}

interface Answered {
  readonly size: number;
  readonly payload: Buffer;
}

interface Connection {
  readonly clientId: string;
  readonly sasl: unknown;
  readonly socket: Socket;
  readonly requestQueue: {
    push(request: {
      readonly entry: object;
      readonly expectResponse: boolean;
      readonly requestTimeout: number | null;
      readonly sendRequest: () => void;
    }): void;
    maybeThrottle(ms: number | null | undefined): void;
  };
  isAuthenticated(): boolean;
  authenticate(): Promise<void>;
  failIfNotConnected(): void;
  nextCorrelationId(): number;
  logError(text: string, fields: object): void;
  send(exchange: Exchange): Promise<unknown>;
}

const require = createRequire(import.meta.url);
const { prototype } = require('kafkajs/src/network/connection') as {
  readonly prototype: Connection;
};
const apiKeys = require('kafkajs/src/protocol/requests/apiKeys') as Readonly<
  Record<string, number>
>;

const BEFORE_LOGIN = new Set([
  apiKeys['ApiVersions'],
  apiKeys['SaslHandshake'],
  apiKeys['SaslAuthenticate'],
]);

prototype.send = async function ({
  request,
  response,
  requestTimeout = null,
  logResponseError = true,
}) {
  const { apiKey, apiName, apiVersion } = request;
  const isLoginDue = Boolean(this.sasl) && !this.isAuthenticated();
  if (isLoginDue && !BEFORE_LOGIN.has(apiKey)) await this.authenticate();
  this.failIfNotConnected();
  const expectResponse = request.expectResponse?.() ?? true;
  const correlationId = this.nextCorrelationId();
  const { buffer } = await request.encode();
  const bytes = framed(request, buffer, { correlationId, clientId: this.clientId });
  const { size, payload } = await new Promise<Answered>((resolve, reject) => {
    this.failIfNotConnected();
    const entry = { apiKey, apiName, apiVersion, correlationId, resolve, reject };
    const sendRequest = (): void => void this.socket.write(bytes);
    this.requestQueue.push({ entry, expectResponse, requestTimeout, sendRequest });
  });
  if (!expectResponse) return undefined;
  try {
    const decoded = await response.decode(payload);
    this.requestQueue.maybeThrottle(decoded.clientSideThrottleTime);
    return await response.parse(decoded);
  } catch (error) {
    if (logResponseError) {
      const what = `Response ${apiName}(key: ${apiKey}, version: ${apiVersion})`;
      this.logError(what, { error: (error as Error).message, correlationId, size });
    }
    throw error;
  }
};

const SIZE_BYTES = 4;
const HEAD_BYTES = 2 + 2 + 4 + 2;

/** Size, Request Header version 1, body. Source: Kafka protocol guide. */
function framed(
  { apiKey, apiVersion }: Exchange['request'],
  body: Buffer,
  { correlationId, clientId }: { readonly correlationId: number; readonly clientId: string },
): Buffer {
  const idBytes = Buffer.byteLength(clientId);
  const size = HEAD_BYTES + idBytes + body.length;
  const bytes = Buffer.allocUnsafe(SIZE_BYTES + size);
  let at = bytes.writeInt32BE(size, 0);
  at = bytes.writeInt16BE(apiKey, at);
  at = bytes.writeInt16BE(apiVersion, at);
  at = bytes.writeInt32BE(correlationId, at);
  at = bytes.writeInt16BE(idBytes, at);
  at += bytes.write(clientId, at);
  body.copy(bytes, at);
  return bytes;
}
