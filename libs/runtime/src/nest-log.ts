import type { LoggerService } from '@nestjs/common';
import type { Log } from './log.js';

/**
 * Nest speaks through our log: `NestFactory.create(module, { logger: new NestLog(log) })`. What it tells
 * about its wiring is `debug`; start-up facts are told by the service itself.
 */
export class NestLog implements LoggerService {
  constructor(private readonly to: Log) {}

  log(message: unknown, ...rest: unknown[]): void {
    this.to.debug(String(message), { nest: rest.at(-1) });
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.log(message, ...rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.log(message, ...rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.to.warn(String(message), { nest: rest.at(-1) });
  }

  /** Nest passes an Error, or a message and a stack. */
  error(message: unknown, ...rest: unknown[]): void {
    const [stack, context] = rest.length > 1 ? rest : [undefined, rest[0]];
    const error = message instanceof Error ? message : stack;
    this.to.error(message instanceof Error ? message.message : String(message), {
      nest: context,
      ...(error === undefined ? {} : { error }),
    });
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.error(message, ...rest);
  }
}
