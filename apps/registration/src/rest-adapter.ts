import { readFileSync } from 'node:fs';
import type { INestApplication } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { StartRefused } from '#runtime';
import type { RegistrationConfig } from './config.js';
import { docsPage } from './docs-page.js';
import type { Reply } from './registration.controller.js';

export const BODY_BYTES_MAX = 16_384;
const LIMITS = {
  bodyLimit: BODY_BYTES_MAX,
  /** For a whole request to come. */
  requestTimeout: 10_000,
  /** Whatever stands in a path is answered by the door itself. */
  routerOptions: { maxParamLength: 16_384 },
  /** Paths and headers hold secrets. */
  logger: false,
} as const;

/** The HTTP adapter of the process that has the REST door. */
export function restAdapter({ door: { tls } }: RegistrationConfig): FastifyAdapter {
  if (!tls) return new FastifyAdapter(LIMITS);
  try {
    const https = { cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) };
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
