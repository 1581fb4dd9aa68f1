import { defineConfig } from 'vitest/config';

/** Tests run the sources: without the `source` condition the aliases would point at a stale `dist`. */
export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: ['{apps,libs,test}/**/*.{spec,e2e-spec}.ts'],
    // Needs a container engine and built images: `npm run test:compose`.
    exclude: process.env.TEST_COMPOSE ? [] : ['test/compose.e2e-spec.ts'],
    globalSetup: ['test/support/before-all-tests.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
