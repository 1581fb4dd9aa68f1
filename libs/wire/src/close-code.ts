/**
 * THE table of close codes: why a gateway closes a socket, and whether the device is expected back. Drains
 * use 1001 and 1012 (contract §1). Never 4774: Firefox then stays away until its network changes.
 */
export interface CloseCode {
  readonly code: number;
  /** At most 123 bytes of UTF-8 (RFC 6455 §5.5). */
  readonly reason: string;
  /** False: another connection has taken its place, coming back would only displace that one. */
  readonly isExpectedBack: boolean;
}

export const CLOSE_CODES = {
  draining: { code: 1001, reason: 'going away, come back', isExpectedBack: true },
  binary: { code: 1003, reason: 'text frames only', isExpectedBack: true },
  helloTimeout: { code: 1008, reason: 'no hello in time', isExpectedBack: true },
  tooFast: { code: 1008, reason: 'too many frames', isExpectedBack: true },
  tooLarge: { code: 1009, reason: 'frame too large', isExpectedBack: true },
  unreadable: { code: 1011, reason: 'not a message of this protocol', isExpectedBack: true },
  helloMisplaced: { code: 1011, reason: 'hello comes first, and once', isExpectedBack: true },
  pingTooSoon: { code: 1011, reason: 'ping too soon', isExpectedBack: true },
  failed: { code: 1011, reason: 'internal error, come back', isExpectedBack: true },
  outOfStep: {
    code: 1012,
    reason: 'out of step with the mailbox, come back',
    isExpectedBack: true,
  },
  gatewayReplaced: { code: 1012, reason: 'gateway replaced, come back', isExpectedBack: true },
  notReady: {
    code: 1013,
    reason: 'not ready to know this device, come back later',
    isExpectedBack: true,
  },
  overloaded: { code: 1013, reason: 'too many connections, come back later', isExpectedBack: true },
  slowReader: { code: 1013, reason: 'reads too slowly, come back', isExpectedBack: true },
  displaced: { code: 4001, reason: 'a newer connection holds this device', isExpectedBack: false },
} as const satisfies Record<string, CloseCode>;

export type CloseName = keyof typeof CLOSE_CODES;
