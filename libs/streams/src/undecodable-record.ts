/**
 * Bytes that are no record of ours: another version, cut off, or with something in them that no encoder here
 * writes. Readers count and skip such a record; repeating it would never help.
 */
export class UndecodableRecord extends Error {
  override readonly name = 'UndecodableRecord';
}
