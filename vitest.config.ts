import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { SideBySide } from './test/support/side-by-side.js';

/** Tests run the sources: without the `source` condition the aliases would point at a stale `dist`. */
export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: ['{apps,libs,test}/**/*.{spec,e2e-spec}.ts'],
    // Needs a container engine and built images: `npm run test:compose`.
    exclude: process.env.TEST_COMPOSE ? [] : ['test/compose*.e2e-spec.ts'],
    // Files that take long wait for processes: one at a time, the default on two cores, would leave one of them idle.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    sequence: { sequencer: SideBySide },
    globalSetup: ['test/support/before-all-tests.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
