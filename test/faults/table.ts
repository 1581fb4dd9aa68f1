/** The rows of the fault suite as a table. */
import type { Row } from './arena.js';

const COLUMNS: readonly (readonly [string, (row: Row) => number | string])[] = [
  ['fault', ({ name }) => name],
  ['POST/s', ({ perSecond }) => Math.round(perSecond)],
  ['201', ({ accepted }) => accepted],
  ['503', ({ unavailable }) => unavailable],
  ['other 5xx', ({ broken }) => broken],
  ['no answer', ({ silent }) => silent],
  ['in the log, no 201', ({ unanswered }) => unanswered],
  ['delivered', ({ outcomes }) => outcomes.delivered],
  ['undecryptable', ({ outcomes }) => outcomes.undecryptable],
  ['rejected', ({ outcomes }) => outcomes.rejected],
  ['expired', ({ outcomes }) => outcomes.expired],
  ['replaced', ({ outcomes }) => outcomes.replaced],
  ['deleted', ({ outcomes }) => outcomes.deleted],
  ['gone', ({ outcomes }) => outcomes.gone],
  ['dropped', ({ outcomes }) => outcomes.dropped],
  ['pending', ({ pending }) => pending],
  ['lost', ({ lost }) => lost],
  ['double', ({ doubles }) => doubles],
  ['out of order', ({ disorder }) => disorder],
  ['lost ids', ({ lostIds }) => lostIds],
  ['again', ({ again }) => again],
  ['late', ({ late }) => late],
  ['told again', ({ toldAgain }) => toldAgain],
  ['otherwise', ({ toldOtherwise }) => toldOtherwise],
  ['well after, s', ({ wellAfter }) => wellAfter.toFixed(1)],
  ['quiet after, s', ({ quietAfter }) => quietAfter.toFixed(1)],
  ['right', ({ complaints }) => (complaints.length === 0 ? 'yes' : 'NO')],
];

export function tableOf(rows: readonly Row[]): string {
  const head = COLUMNS.map(([name]) => name);
  const lines = rows.map((row) => COLUMNS.map(([, of]) => String(of(row))));
  const all = [head, head.map(() => '---'), ...lines];
  return all.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
