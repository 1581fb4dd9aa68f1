/** What every process of the service asks for, whatever it does. */
import type { EnvReader } from './env.js';
import { LOG_LEVELS, type LogLevel } from './log.js';

export interface ProcessSettings {
  readonly opsHost: string;
  readonly opsPort: number;
  readonly logLevel: LogLevel;
}

export function processSettings(env: EnvReader): ProcessSettings {
  const host = env.text('HOST', {
    default: '0.0.0.0',
    doc: 'the address that ports are opened on',
  });
  return {
    opsPort: env.port('OPS_PORT', 9_464, '`/metrics`, `/health/live`, `/health/ready`'),
    opsHost: env.text('OPS_HOST', {
      default: host,
      shown: 'as `HOST`',
      doc: 'the address that the ops port is opened on',
    }),
    logLevel: env.choice('LOG_LEVEL', { default: 'info', of: LOG_LEVELS, doc: 'what is logged' }),
  };
}
