import { randomFillSync } from 'node:crypto';
import { NONCE_BYTES } from '#webpush';

const AT_ONCE = 512;

/** Random nonces, drawn many at a time: a call to the generator costs more than the seal needs of it. */
export class Nonces {
  private readonly pool = Buffer.alloc(NONCE_BYTES * AT_ONCE);
  private at = this.pool.length;

  /** Good until {@link AT_ONCE} later calls: use it at once, keep nothing of it. */
  next(): Buffer {
    if (this.at === this.pool.length) {
      randomFillSync(this.pool);
      this.at = 0;
    }
    const nonce = this.pool.subarray(this.at, this.at + NONCE_BYTES);
    this.at += NONCE_BYTES;
    return nonce;
  }
}
