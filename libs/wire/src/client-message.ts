/**
 * What devices say (contract §1 "Client → server"), with the members of the wire; a gateway turns `uaid` and
 * `channelID` into its own words. How frames are read stands in parse-client-message.ts.
 */
import type { Outcome } from '#webpush';

export interface Hello {
  readonly messageType: 'hello';
  /** Any text: absent, empty, malformed or unknown gives a new one. */
  readonly uaid?: string;
  readonly channelIDs?: readonly string[];
  readonly broadcasts?: Readonly<Record<string, string>>;
  readonly use_webpush?: boolean;
}
export interface Register {
  readonly messageType: 'register';
  /** Any text, echoed verbatim: what is no UUID (see subscriptionIdOf) is answered with status 400. */
  readonly channelID: string;
  /** Any text: what is no VAPID key is answered with status 400. */
  readonly key?: string;
}
export interface Unregister {
  readonly messageType: 'unregister';
  /** Any text: an unknown channel is answered with 200. */
  readonly channelID: string;
  /** 200 by the user, 201 quota, 202 permission revoked; any other number is let through. */
  readonly code?: number;
}

/** 100 delivered, 101 could not decrypt, 102 not delivered. Each ends redelivery. */
export const ACK_OUTCOMES = {
  100: 'delivered',
  101: 'undecryptable',
  102: 'rejected',
} as const satisfies Record<number, Outcome>;
export type AckCode = keyof typeof ACK_OUTCOMES;

export interface AckUpdate {
  readonly channelID: string;
  /** Any text; unknown ones are ignored. */
  readonly version: string;
  readonly code: AckCode;
}
export interface Ack {
  readonly messageType: 'ack';
  readonly updates: readonly AckUpdate[];
}
export interface Nack {
  readonly messageType: 'nack';
  readonly version: string;
  /** 301–303; any other number is let through and counted. */
  readonly code?: number;
}
export interface BroadcastSubscribe {
  readonly messageType: 'broadcast_subscribe';
  readonly broadcasts: Readonly<Record<string, string>>;
}
/** `{}` or `{"messageType":"ping"}`. */
export interface Ping {
  readonly messageType: 'ping';
}

export type ClientMessage = Hello | Register | Unregister | Ack | Nack | BroadcastSubscribe | Ping;

/** The frame of a message. */
export function encodeClientMessage(message: ClientMessage): string {
  return message.messageType === 'ping' ? '{}' : JSON.stringify(message);
}
