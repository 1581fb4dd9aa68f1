/** What a broker answers a fetch with: its records are what anybody appended, in batches that anybody made. */
import { decodeRecordBatches, encodeProduce } from '#streams.kafka';
import { damagedBytes } from './damage.js';
import type { Dice } from './dice.js';
import type { FuzzTarget } from './target.js';

/** Of a produce request for one partition of a topic with one letter. */
const BATCH_AT = 27;

const key = Buffer.from('key');
const headers = { outcome: 'delivered', device: '00112233445566778899aabbccddeeff' };
const BATCHES = [
  [{ key, value: Buffer.alloc(70, 0xff) }],
  [
    { key, value: null, headers },
    { key: Buffer.alloc(0), value: Buffer.alloc(0) },
  ],
].map((records) => {
  const loads = [{ place: { topic: 't', partition: 0 }, waiting: [{ records }] }];
  return encodeProduce({ timeoutMs: 1, loads }, 1_800_000_000_000).subarray(BATCH_AT);
});

function answerTo(dice: Dice): string {
  const bytes = damagedBytes(dice, [...BATCHES, Buffer.concat(BATCHES)]);
  try {
    const decoded = decodeRecordBatches(bytes, 0);
    if (decoded === undefined) return 'of another kind';
    const { length } = decoded.records;
    if (length > bytes.length) throw new Error(`${length} of ${bytes.length} bytes`);
    return 'decoded';
  } catch (error) {
    if (error instanceof RangeError) return 'refused';
    throw error;
  }
}

export const BATCH_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'record batches',
    kinds: ['decoded', 'refused', 'of another kind'],
    open: () => answerTo,
  },
];
