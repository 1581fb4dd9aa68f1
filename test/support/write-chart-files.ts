/** Writes what the chart repeats of the code: `node dist/test/support/write-chart-files.js`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHART, chartFiles } from './chart.js';

for (const [path, text] of Object.entries(chartFiles())) writeFileSync(join(CHART, path), text);
