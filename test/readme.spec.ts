/** The README's tables, rules and commands are those of the code. To repair: print-readme-tables, and paste. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FAULTS } from './faults/faults.js';
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

test('what settings cost: each number that one can set is there, but for ports and the demo’s', () => {
  const costs = tablesUnder('Run it in production').find(({ columns }) => columns[0] === 'Setting');
  const told = (costs?.rows ?? []).flatMap(([names = '']) => names.replaceAll('`', '').split(', '));
  const numbers = tableUnder('Settings').rows.filter(
    ([name = '', , range = '', who]) =>
      /^\d+–\d+$/.test(range) && !name.includes('_PORT') && who !== 'demo',
  );
  const wanted = numbers.map(([name = '']) => name.replaceAll('`', ''));
  expect(told.toSorted()).toEqual(wanted.toSorted());
});

describe('of the fault suite’s faults', () => {
  const faults = FAULTS.map(({ name }) => name);

  test('each has its counts in a row', () => {
    const { rows } = tableUnder('What it guarantees');
    expect(rows.map(([name = '']) => name.replaceAll('`', ''))).toEqual(faults);
  });

  test('each is in the table of what dies, whose rows name no test that is not there', () => {
    const all = tablesUnder('Run it in production');
    const { rows = [] } = all.find(({ columns }) => columns.at(-1) === 'Test') ?? {};
    const found = (name: string): readonly string[] => {
      if (name.includes('/')) return existsSync(join(ROOT, name)) ? [name] : [];
      const [start = '', ...rest] = name.split('…');
      return faults.filter((fault) => (rest.length ? fault.startsWith(start) : fault === name));
    };
    const named = rows.map((row) => [...(row.at(-1) ?? '').matchAll(/`([^`]+)`/g)]);
    expect(named.map(({ length }) => length)).not.toContain(0);
    const names = named.flat().map(([, name = '']) => name);
    expect(names.filter((name) => found(name).length === 0)).toEqual([]);
    expect(faults.filter((fault) => !names.flatMap(found).includes(fault))).toEqual([]);
  });
});

test.each(commands())('the README names the command %s', (command) => {
  expect(readme).toMatch(new RegExp(`${command}(?![\\w:])`));
});

test.each(['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'deploy/RUNBOOK.md'])(
  'the files that %s names are there',
  (document) => {
    const text = readFileSync(join(ROOT, document), 'utf8');
    const named = text.match(/(?<![\w/.-])(apps|libs|deploy|test)\/[\w./*<>-]*\w/g) ?? [];
    const one = named.filter((path) => !/[*<>]/.test(path));
    expect(one.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  },
);

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

/** The first table of the section. */
function tableUnder(heading: string): Table {
  const [table] = tablesUnder(heading);
  if (table === undefined) throw new Error(`README.md has no table under "${heading}"`);
  return table;
}

/** A pipe inside a cell is written `\|`. */
function tablesUnder(heading: string): readonly Table[] {
  const blocks = sectionUnder(heading).match(/(?:^\|.*\n?)+/gm) ?? [];
  return blocks.map((block) => {
    const rows = block
      .trim()
      .split('\n')
      .map((line) =>
        line
          .trim()
          .slice(1, -1)
          .split(/(?<!\\)\|/)
          .map((cell) => cell.trim().replaceAll('\\|', '|')),
      );
    return { columns: rows[0] ?? [], rows: rows.slice(2) };
  });
}
