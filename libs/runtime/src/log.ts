/**
 * The log: JSON lines on standard output, one per fact. A class of refusal that may come a thousand times
 * a second goes through `sampled`. Nothing secret is ever a field: no device secret, receiver id, token or key.
 */
import { pino, type DestinationStream, type Logger } from 'pino';
import { Sampler } from './sampler.js';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type Fields = Readonly<Record<string, unknown>>;

export interface LogOptions {
  readonly level: LogLevel;
  /** Who speaks, e.g. `gateway`. */
  readonly service: string;
  /** Default: standard output. */
  readonly to?: DestinationStream;
}

export class Log {
  private readonly sampler: Sampler;

  private constructor(private readonly pino: Logger) {
    this.sampler = new Sampler((text, fields) => this.pino.warn(fields, text));
  }

  static open(options: LogOptions): Log {
    const { level, service, to } = options;
    const format = {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label: string) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.errWithCause },
    };
    return new Log(to ? pino(format, to) : pino(format));
  }

  /** Says nothing: for tests and for callers that do not care. */
  static silent(): Log {
    return Log.open({ level: 'silent', service: 'silent' });
  }

  /** Each line, parsed, goes to `line`: for tests about what is said. */
  static into(line: (said: Fields) => void, level: LogLevel = 'debug'): Log {
    const write = (text: string): void => line(JSON.parse(text) as Fields);
    return Log.open({ level, service: 'test', to: { write } });
  }

  /** A log whose every line carries these fields. */
  with(fields: Fields): Log {
    return new Log(this.pino.child(fields));
  }

  debug(text: string, fields: Fields = {}): void {
    this.pino.debug(fields, text);
  }

  info(text: string, fields: Fields = {}): void {
    this.pino.info(fields, text);
  }

  /**
   * Said once, when a service can serve: one line per address, by what it is for. The last line carries
   * `ready`; `npm start` waits for it and shows the addresses.
   */
  serving(addresses: Readonly<Record<string, string>>): void {
    const lines = Object.entries(addresses);
    for (const [index, [what, address]] of lines.entries()) {
      this.info('serving', { what, address, ...(index === lines.length - 1 && { ready: true }) });
    }
  }

  warn(text: string, fields: Fields = {}): void {
    this.pino.warn(fields, text);
  }

  /** An error is given as the field `error`: `log.error('append failed', { error, partition })`. */
  error(text: string, fields: Fields = {}): void {
    this.pino.error(fields, text);
  }

  /**
   * A warning of a class that may be frequent: at once, then at most one line per class every 10 s, which
   * says how often it came meanwhile (`times`) and shows the latest text and fields.
   */
  sampled(of: string, text: string, fields: Fields = {}): void {
    this.sampler.say(of, text, fields);
  }
}
