/** What clients send, and how it is checked; the OpenAPI document is made from the same schema. */
import { z } from 'zod';
import { uuidOf, subscriptionIdOf } from '#wire';
import { fingerprintOf, isDeviceSecret, type SubscriptionId } from '#webpush';
import { doorRefused, type DoorRefused } from './door-refusals.js';

const SITE_CHARACTERS_MAX = 2_000;

function isWebSite(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '';
}

/** Strict: a misspelt `applicationServerKey` would make an endpoint that anybody may send to. */
export const NEW_REGISTRATION = z.strictObject({
  site: z
    .string()
    .max(SITE_CHARACTERS_MAX)
    .regex(/^[\x21-\x7e]*$/, 'must be ASCII, without spaces (other characters percent-encoded)')
    .refine(isWebSite, 'must be an http or https URL')
    .meta({ description: 'URL of the web site', format: 'uri', example: 'https://stocks.example' }),
  applicationServerKey: z
    .string()
    .refine((key) => fingerprintOf(key) !== undefined, {
      error: 'must be an uncompressed P-256 point, 65 bytes in base64url',
    })
    .optional()
    .meta({ description: 'VAPID public key of the site: only its signatures are accepted then' }),
  device: z.string().refine(isDeviceSecret, 'must be 32 lower-case hex digits').optional().meta({
    description:
      'The identifier of a device that is registered, which is its secret; absent: a new one',
    example: '0123456789abcdef0123456789abcdef',
  }),
});

export type NewRegistration = z.infer<typeof NEW_REGISTRATION>;

/** Every problem at once, each with its field. */
export function parseNewRegistration(body: unknown): NewRegistration | DoorRefused {
  const parsed = NEW_REGISTRATION.safeParse(body);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((field) => ({ field, message: 'is not known here' }));
    }
    return [{ field: issue.path.join('.'), message: issue.message }];
  });
  return doorRefused('invalid', fields);
}

/** The device's secret in `Authorization: Bearer <device>`; undefined: none. */
export function bearerOf(authorization: string | undefined): string | undefined {
  const secret = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
  return isDeviceSecret(secret) ? secret : undefined;
}

/** A subscription is named as on the wire, where notifications name their channel. */
export { uuidOf as subscriptionName };

/** With or without dashes. undefined: it names nothing. */
export function subscriptionNamed(name: string): SubscriptionId | undefined {
  return /^[0-9a-f]{32}$/.test(name) ? (name as SubscriptionId) : subscriptionIdOf(name);
}
