import { doorSettings, shareOfFileDescriptors, type EnvReader, type TlsFiles } from '#runtime';

/** What an ingest is told from outside. */
export class IngestConfig {
  readonly host: string;
  readonly port: number;
  readonly tls?: TlsFiles;
  readonly trustedProxies: readonly string[];
  readonly noticeSeconds: number;
  /** Origin of endpoints and of `Location`, and the VAPID audience; no trailing slash. */
  readonly publicEndpointUrl: string;
  readonly partitions: number;
  readonly payloadBytesMax: number;
  readonly ttlSecondsMax: number;
  /** A POST whose lookup and append have not ended by then is answered 503. */
  readonly appendDeadlineMs: number;
  /** Bodies that are being received or appended; beyond it 503. */
  readonly bodyBytesInFlightMax: number;
  /** Of senders, at once; one more is closed. */
  readonly connectionsMax: number;
  /** Verified VAPID tokens that are remembered. */
  readonly vapidTokensMax: number;

  constructor(env: EnvReader, { partitions }: { readonly partitions: number }) {
    const { host, tls, trustedProxies, noticeSeconds } = doorSettings(env);
    this.host = host;
    this.port = env.port('INGEST_PORT', 8081, 'ingest: `/wpush/…`, `/m/…`');
    if (tls) this.tls = tls;
    this.trustedProxies = trustedProxies;
    this.noticeSeconds = noticeSeconds;
    this.partitions = partitions;
    this.publicEndpointUrl = publicEndpointUrl(env);
    this.payloadBytesMax = env.integer('PAYLOAD_BYTES_MAX', {
      default: 4_096,
      min: 4_096,
      max: 65_536,
      doc: 'bytes of a body; beyond it 413',
    });
    this.ttlSecondsMax = env.integer('TTL_SECONDS_MAX', {
      default: 2_592_000,
      min: 60,
      max: 31_536_000,
      doc: 'a longer TTL is lowered to it',
    });
    this.appendDeadlineMs = env.integer('APPEND_DEADLINE_MS', {
      default: 5_000,
      min: 100,
      max: 60_000,
      doc: 'a POST that is not in the log by then is answered 503',
    });
    this.bodyBytesInFlightMax = env.integer('BODY_BYTES_IN_FLIGHT_MAX', {
      default: 67_108_864,
      min: 1_048_576,
      max: 4_294_967_296,
      doc: 'bytes of bodies being received or appended; beyond it 503',
    });
    this.connectionsMax =
      env.integer('SENDER_CONNECTIONS_MAX', {
        default: 0,
        min: 0,
        max: 1_000_000,
        doc: 'connections of senders; one more is closed; 0: 12.5 % of the file descriptors that the process may have, less 128',
      }) || shareOfFileDescriptors(0.125);
    this.vapidTokensMax = env.integer('VAPID_TOKENS_MAX', {
      default: 20_000,
      min: 1,
      max: 1_000_000,
      doc: 'verified VAPID tokens that are remembered until they expire',
    });
  }
}

export function ingestConfig(
  env: EnvReader,
  cluster: { readonly partitions: number },
): IngestConfig {
  return new IngestConfig(env, cluster);
}

/** Sealed into what devices keep: it is chosen once. */
function publicEndpointUrl(env: EnvReader): string {
  return env.parsed('PUBLIC_ENDPOINT_URL', {
    doc: 'origin of endpoints; the VAPID audience',
    range: 'an http or https origin',
    parse: (text) => {
      const url = URL.parse(text);
      const isOrigin = url !== null && url.href === `${url.origin}/`;
      if (isOrigin && /^https?:$/.test(url.protocol)) return url.origin;
      throw new Error('an http or https origin without a path, such as https://push.example');
    },
  });
}
