/**
 * What each body begins with, so that whoever gets it can tell which one it is, whose, and how old:
 *
 *   number u32 · device u32 · when it was sent f64 (ms, monotonic)          16 bytes
 *
 * In a frame it is the first 22 characters of `data`.
 */
const STAMP_CHARACTERS = 22;
const DATA = '"data":"';

export interface Stamp {
  readonly number: number;
  readonly device: number;
  readonly sentMs: number;
}

export function writeStamp(body: Buffer, at: number, { number, device, sentMs }: Stamp): void {
  body.writeUInt32BE(number, at);
  body.writeUInt32BE(device, at + 4);
  body.writeDoubleBE(sentMs, at + 8);
}

/** Undefined: no notification of this load. */
export function readStamp(frame: Buffer): Stamp | undefined {
  const found = frame.indexOf(DATA);
  if (found < 0) return undefined;
  const from = found + DATA.length;
  const stamp = Buffer.from(frame.toString('latin1', from, from + STAMP_CHARACTERS), 'base64url');
  if (stamp.length < 16) return undefined;
  return {
    number: stamp.readUInt32BE(0),
    device: stamp.readUInt32BE(4),
    sentMs: stamp.readDoubleBE(8),
  };
}
