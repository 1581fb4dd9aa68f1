/** A subscription id is a `channelID` without its dashes. */
import type { SubscriptionId } from '#webpush';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function uuidOf(id: SubscriptionId): string {
  return `${id.slice(0, 8)}-${id.slice(8, 12)}-${id.slice(12, 16)}-${id.slice(16, 20)}-${id.slice(20)}`;
}

/** undefined: not a lower-case dashed UUID, so it could not be echoed verbatim. Any version, the nil one too. */
export function subscriptionIdOf(channelID: string): SubscriptionId | undefined {
  return UUID.test(channelID) ? (channelID.replaceAll('-', '') as SubscriptionId) : undefined;
}
