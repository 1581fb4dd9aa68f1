import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

async function bundled(contents: string): Promise<{ code: string; inputs: readonly string[] }> {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    conditions: ['source'],
    metafile: true,
    write: false,
  });
  return { code: outputFiles[0]?.text ?? '', inputs: Object.keys(metafile.inputs) };
}

test('the whole library is at most 8 KB compressed, and nothing of others is in it', async () => {
  const { code, inputs } = await bundled(`export * from '#client'`);
  expect(gzipSync(code, { level: 9 }).length).toBeLessThanOrEqual(8192);
  expect(inputs.filter((path) => !/^(libs\/(client|wire)\/src\/|<stdin>)/.test(path))).toEqual([]);
});

test('what a page does not use is left out', async () => {
  const { code } = await bundled(`export { MemoryStorage } from '#client'`);
  expect(code).not.toContain('indexedDB');
  expect(code).not.toContain('WebSocket');
});
