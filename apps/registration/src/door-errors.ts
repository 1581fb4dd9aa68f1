import { STATUS_CODES } from 'node:http';
import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { Log } from '#runtime';
import type { RefusalBody } from './door-refusals.js';
import type { Reply } from './registration.controller.js';

/** Fastify's own refusals (a body that is no JSON, or too large) carry their status. */
type WithStatus = Error & { readonly statusCode?: number };

/** Whatever is no answer of the door, in the door's shape: unknown paths, bodies that cannot be read, bugs. */
@Catch()
export class DoorErrors implements ExceptionFilter {
  constructor(private readonly log: Log) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const code = statusOf(error);
    if (code >= 500) this.log.error('a request of the REST door failed', { error });
    const message = code < 500 && error instanceof Error ? error.message : 'Unknown error';
    const body: RefusalBody = { code, error: STATUS_CODES[code] ?? 'Refused', message };
    host.switchToHttp().getResponse<Reply>().status(code).send(body);
  }
}

function statusOf(error: unknown): number {
  if (error instanceof HttpException) return error.getStatus();
  const { statusCode = 500 } = error as WithStatus;
  return statusCode >= 400 && statusCode < 500 ? statusCode : 500;
}
