import { connect, type NetConnectOpts, type Socket } from 'node:net';

/** As much as Node reads at a time. One for all: bytes are copied out before the next read begins. */
const place = Buffer.allocUnsafeSlow(65_536);

/**
 * `net.connect`, made for many small answers. A plain socket takes 64 KiB of fresh memory for each read, and leads what
 * came through the queue of a stream. This one reads into the one place, and who listens to 'data' gets a copy of the
 * right size. Where nobody does, or while it is paused, all is as ever; but `setEncoding()` has no effect on 'data'.
 */
export function connectLean(to: NetConnectOpts, onConnect?: () => void): Socket {
  const callback = (count: number): boolean => {
    const chunk = Buffer.from(place.subarray(0, count));
    // What has to wait for its reader keeps its place in the queue.
    if (!socket.readableFlowing || socket.readableLength > 0) return socket.push(chunk);
    socket.emit('data', chunk);
    return true;
  };
  const socket = connect({ ...to, onread: { buffer: place, callback } }, onConnect);
  return socket;
}
