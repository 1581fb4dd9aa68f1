import type { EnvReader } from '#runtime';

/** What a service that registers is told from outside. */
export interface RegistrarSettings {
  /** Origin of endpoints, without a trailing slash. */
  readonly publicEndpointUrl: string;
  readonly subscriptionsPerDeviceMax: number;
}

export function registrarSettings(env: EnvReader): RegistrarSettings {
  return {
    publicEndpointUrl: publicEndpointUrl(env),
    subscriptionsPerDeviceMax: env.integer('SUBSCRIPTIONS_PER_DEVICE_MAX', {
      default: 1_000,
      min: 1,
      max: 100_000,
      doc: 'subscriptions of one device; one more is refused',
    }),
  };
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
