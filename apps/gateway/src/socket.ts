/**
 * What a session needs of a connection. uWebSockets.js' own object fits, so there is no wrapper per
 * connection; tests put a network in memory behind it.
 */
export interface Socket {
  /** See {@link SENT}. */
  send(frame: string): number;
  /** Bytes that wait here because the peer reads slowly. */
  getBufferedAmount(): number;
  /** A WebSocket ping; the pong says that the device lives. */
  ping(): number;
  /** Packs the sends of the callback into few writes. */
  cork(sends: () => void): unknown;
  /** A close frame, then the end of the TCP connection, whether the peer answers or not. */
  end(code: number, reason: string): void;
  /** Ends the TCP connection at once: for a peer that reads nothing, not even a close frame. */
  close(): void;
}

/** What `send` says: written, buffered here because the peer reads slowly, or not taken: the buffer is full. */
export const SENT = { queued: 0, written: 1, dropped: 2 } as const;
