import { BATCH_TARGETS } from './batches.js';
import { HEADER_TARGETS } from './headers.js';
import { MESSAGE_TARGETS } from './messages.js';
import { RECORD_TARGETS } from './records.js';
import type { FuzzTarget } from './target.js';
import { TOKEN_TARGETS } from './tokens.js';

export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  ...HEADER_TARGETS,
  ...TOKEN_TARGETS,
  ...MESSAGE_TARGETS,
  ...RECORD_TARGETS,
  ...BATCH_TARGETS,
];
