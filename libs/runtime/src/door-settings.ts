/** What every port towards the outside asks for: gateway, ingest and registration. */
import type { EnvReader } from './env.js';
import { TrustedProxies } from './trusted-proxies.js';

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface DoorSettings {
  readonly host: string;
  /** Absent: plain. */
  readonly tls?: TlsFiles;
  readonly trustedProxies: readonly string[];
  /** A service that is told to stop goes on for so long, not ready any more. */
  readonly noticeSeconds: number;
}

export function doorSettings(env: EnvReader): DoorSettings {
  const tls = tlsFiles(env);
  return {
    host: env.text('HOST', { default: '0.0.0.0', doc: 'the address that ports are opened on' }),
    ...(tls && { tls }),
    trustedProxies: env.list('TRUSTED_PROXIES', {
      default: [],
      shown: 'none',
      doc: 'addresses or CIDR ranges whose word about a client’s address is believed',
      each: (range) => void new TrustedProxies([range]),
    }),
    noticeSeconds: env.integer('NOTICE_SECONDS', {
      default: 5,
      min: 0,
      max: 600,
      doc: 'for which a service that is told to stop is not ready and goes on all the same: until load balancers have seen it',
    }),
  };
}

/**
 * For the log at start, where a certificate and trusted proxies are both set: a load balancer writes PROXY v2 before
 * TLS, and there the library takes it for a broken handshake.
 */
export function proxyNote({
  tls,
  trustedProxies,
}: Pick<DoorSettings, 'tls' | 'trustedProxies'>): string | undefined {
  if (tls === undefined || trustedProxies.length === 0) return undefined;
  return (
    'TLS ends here, so of TRUSTED_PROXIES X-Forwarded-For is understood, and PROXY v2 is not: ' +
    'a connection that begins with it is ended'
  );
}

function tlsFiles(env: EnvReader): TlsFiles | undefined {
  const certFile = env.file('TLS_CERT_FILE', { optional: true, doc: 'certificate chain, PEM' });
  const keyFile = env.file('TLS_KEY_FILE', { optional: true, doc: 'its private key, PEM' });
  if ((certFile === undefined) !== (keyFile === undefined)) {
    env.refuse('TLS_CERT_FILE and TLS_KEY_FILE go together: set both or neither');
  }
  return certFile !== undefined && keyFile !== undefined ? { certFile, keyFile } : undefined;
}
