/** The README's tables, rules and commands are those of the code. To repair: print-readme-tables, and paste. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { commands, houseRules, README_TABLES, type Table } from './support/readme-tables.js';
import { ROOT } from './support/sources.js';
import { startStandalone } from './support/standalone.js';

const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');

describe('the README has the table', () => {
  test.each(Object.entries(README_TABLES))(
    '%s',
    async (heading, table) => {
      const { columns, rows } = await table();
      const written = tableUnder(heading);
      expect(written.columns).toEqual(expect.arrayContaining([...columns]));
      const places = columns.map((column) => written.columns.indexOf(column));
      expect(written.rows.map((row) => places.map((place) => row[place]))).toEqual(rows);
      expect(written.rows.filter((row) => row.some((cell) => cell === ''))).toEqual([]);
    },
    60_000,
  );
});

test('a running service shows what the table of metrics says, but for what only Kafka’s producer counts', async () => {
  const service = await startStandalone();
  onTestFinished(() => service.dispose());
  const text = await (await fetch(`${service.opsUrl}/metrics`)).text();
  const shown = [...text.matchAll(/^# TYPE (heliograph_\w+) (\w+)$/gm)].map(
    ([, name = '', type = '']) => `${name} ${type}`,
  );
  const written = tableUnder('Metrics').rows.map(([name = '', type]) => {
    return `${name.replaceAll('`', '')} ${type}`;
  });
  const here = written.filter((row) => !row.startsWith('heliograph_append_'));
  expect(shown.sort()).toEqual(here.sort());
  // Also what has not happened yet: a rate begins at what it finds, and would miss the first time.
  const empty = shown.filter(
    (row) => !new RegExp(`^${row.split(' ')[0]}(_count)?[ {]`, 'm').test(text),
  );
  expect(empty).toEqual([]);
}, 60_000);

test.each(houseRules())('the README says: %s', (sentence) => {
  const items = sectionUnder('Rules of the house').split(/^- /m).slice(1);
  expect(
    items.map((item) => item.trim().replaceAll('`', '').replace(/\s+/g, ' ').replace(/\.$/, '')),
  ).toContain(sentence);
});

test.each(commands())('the README names the command %s', (command) => {
  expect(readme).toMatch(new RegExp(`${command}(?![\\w:])`));
});

/** From the heading to the next one of the same level or above. */
function sectionUnder(heading: string): string {
  const lines = readme.split('\n');
  const start = lines.findIndex(
    (line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading,
  );
  if (start < 0) throw new Error(`README.md has no heading "${heading}"`);
  const level = /^#+/.exec(lines[start] ?? '')?.[0].length ?? 1;
  const length = lines
    .slice(start + 1)
    .findIndex((line) => (/^#+(?= )/.exec(line)?.[0].length ?? 9) <= level);
  return lines.slice(start + 1, length < 0 ? undefined : start + 1 + length).join('\n');
}

/** The first table of the section. A pipe inside a cell is written `\|`. */
function tableUnder(heading: string): Table {
  const lines = sectionUnder(heading).split('\n');
  const first = lines.findIndex((line) => line.startsWith('|'));
  if (first < 0) throw new Error(`README.md has no table under "${heading}"`);
  const end = lines.findIndex((line, i) => i > first && !line.startsWith('|'));
  const rows = lines.slice(first, end < 0 ? undefined : end).map((line) =>
    line
      .trim()
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replaceAll('\\|', '|')),
  );
  return { columns: rows[0] ?? [], rows: rows.slice(2) };
}
