/** Prints every table of the README as the code has it: `node dist/test/support/print-readme-tables.js [heading]`. */
import { commands, houseRules, README_TABLES, render } from './readme-tables.js';

const only = process.argv[2];
for (const [heading, table] of Object.entries(README_TABLES)) {
  if (only !== undefined && only !== heading) continue;
  process.stdout.write(`## ${heading}\n\n${render(await table())}\n\n`);
}
if (only === undefined || only === 'Rules of the house') {
  const items = houseRules().map((sentence) => `- ${sentence}.`);
  process.stdout.write(`## Rules of the house\n\n${items.join('\n')}\n\n`);
}
if (only === undefined) process.stdout.write(`## Commands\n\n${commands().join('\n')}\n`);
