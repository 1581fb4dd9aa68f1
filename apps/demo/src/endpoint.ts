/** Which endpoints this site sends to: those of its own push service, so that nobody makes it call elsewhere. */
import { z } from 'zod';
import { serviceOf } from './service-name.js';

/** As a PushSubscription serialises. */
export const PUSH_SUBSCRIPTION = z.object({
  endpoint: z.url().max(2_000),
  keys: z.object({
    // 65 and 16 bytes of base64url, with or without padding.
    p256dh: z.string().regex(/^[\w-]{87}=?$/, 'must be base64url of 65 bytes'),
    auth: z.string().regex(/^[\w-]{22}={0,2}$/, 'must be base64url of 16 bytes'),
  }),
});
export type PushSubscriptionJson = z.infer<typeof PUSH_SUBSCRIPTION>;

export interface ForeignEndpoint {
  readonly service: string;
  readonly message: string;
}

/** undefined: it is one of ours. */
export function refusalOf(endpoint: string, ourOrigin: string): ForeignEndpoint | undefined {
  const url = new URL(endpoint);
  const isOurs = url.origin === ourOrigin && !url.username && !url.password;
  if (isOurs && url.pathname.startsWith('/wpush/')) return undefined;
  const service = serviceOf(url);
  return {
    service,
    message: `This site sends through ${ourOrigin} only; the endpoint is of ${service}. Subscribe with the push client library in the page, or in a Firefox that uses this service: npm run firefox`,
  };
}
