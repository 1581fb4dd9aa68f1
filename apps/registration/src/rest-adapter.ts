import { readFileSync } from 'node:fs';
import type { INestApplication } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { StartRefused } from '#runtime';
import type { RegistrationConfig } from './config.js';
import { docsPage } from './docs-page.js';
import type { Reply } from './registration.controller.js';

/** Bytes of a body at the REST door; beyond it 413. */
export const BODY_BYTES_MAX = 16_384;
/** Bytes of a request's head at the REST door; beyond it 431. */
export const HEAD_BYTES_MAX = 8_192;
/** For a whole request to come; a connection that is slower is closed. */
const REQUEST_MS = 10_000;
const SERVER = {
  maxHeaderSize: HEAD_BYTES_MAX,
  // Node takes the longer of the two for the whole request, and looks every 30 s unless it is told.
  headersTimeout: REQUEST_MS,
  requestTimeout: REQUEST_MS,
  connectionsCheckingInterval: 1_000,
} as const;
const LIMITS = {
  bodyLimit: BODY_BYTES_MAX,
  requestTimeout: REQUEST_MS,
  /** Whatever stands in a path is answered by the door itself. */
  routerOptions: { maxParamLength: 16_384 },
  /** Paths and headers hold secrets. */
  logger: false,
} as const;

/** The HTTP adapter of the process that has the REST door. */
export function restAdapter({ door: { tls } }: RegistrationConfig): FastifyAdapter {
  if (!tls) return new FastifyAdapter({ ...LIMITS, http: SERVER });
  try {
    const https = { ...SERVER, cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) };
    return new FastifyAdapter({ ...LIMITS, https });
  } catch (cause) {
    throw new StartRefused(
      `TLS_CERT_FILE ${tls.certFile} and TLS_KEY_FILE ${tls.keyFile} are no PEM certificate with its key.`,
      { cause },
    );
  }
}

/** The page needs nothing but itself. */
const PAGE_HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'",
};

/** `/openapi.json` and `/docs`, made when first asked for. Called once, before the application listens. */
export function serveDocs(app: INestApplication): void {
  const http = app.getHttpAdapter() as FastifyAdapter;
  const document = onFirstUse(async () => (await import('./openapi.js')).openApiOf(app));
  const page = onFirstUse(async () => docsPage(await document()));
  http.get('/openapi.json', async (_request: unknown, reply: Reply) =>
    reply.send(await document()),
  );
  http.get('/docs', async (_request: unknown, reply: Reply) =>
    reply.headers(PAGE_HEADERS).send(await page()),
  );
}

function onFirstUse<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
