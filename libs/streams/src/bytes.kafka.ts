/** Memory of a known size that is filled from its beginning, in the types of Kafka's protocol (big-endian). */
export class Bytes {
  readonly buffer: Buffer;
  /** Where the next write goes. */
  at = 0;

  constructor(size: number) {
    this.buffer = Buffer.allocUnsafe(size);
  }

  int8(value: number): void {
    this.at = this.buffer.writeInt8(value, this.at);
  }

  int16(value: number): void {
    this.at = this.buffer.writeInt16BE(value, this.at);
  }

  int32(value: number): void {
    this.at = this.buffer.writeInt32BE(value, this.at);
  }

  /** A safe integer. */
  int64(value: number): void {
    this.int32(Math.floor(value / 2 ** 32));
    this.at = this.buffer.writeUInt32BE(value >>> 0, this.at);
  }

  /** At most 32,767 bytes of UTF-8, behind their number. */
  string(text: string): void {
    this.int16(Buffer.byteLength(text));
    this.at += this.buffer.write(text, this.at);
  }

  /** Zigzag, seven bits a byte. 32 bits. */
  varInt(value: number): void {
    let rest = zigzag(value);
    for (; rest > 0x7f; rest >>>= 7)
      this.at = this.buffer.writeUInt8((rest & 0x7f) | 0x80, this.at);
    this.at = this.buffer.writeUInt8(rest, this.at);
  }

  varBytes(bytes: Buffer | null): void {
    if (bytes === null) return this.varInt(-1);
    this.varInt(bytes.length);
    this.at += bytes.copy(this.buffer, this.at);
  }

  varText(text: string): void {
    this.varInt(Buffer.byteLength(text));
    this.at += this.buffer.write(text, this.at);
  }
}

export function varIntBytes(value: number): number {
  let bytes = 1;
  for (let rest = zigzag(value); rest > 0x7f; rest >>>= 7) bytes++;
  return bytes;
}

function zigzag(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0;
}
