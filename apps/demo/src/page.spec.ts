/** The page as it is built, without a browser. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const PAGE = join(import.meta.dirname, '..', 'page');
const fileOf = (name: string): string => readFileSync(join(PAGE, name), 'utf8');

async function bundled(entry: string): Promise<{ code: string; inputs: readonly string[] }> {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(PAGE, entry)],
    bundle: true,
    minify: true,
    target: 'es2022',
    format: 'esm',
    conditions: ['source'],
    metafile: true,
    write: false,
  });
  return { code: outputFiles[0]?.text ?? '', inputs: Object.keys(metafile.inputs) };
}

test.each(['page.ts', 'service-worker.ts'])(
  '%s is made of nothing but our own sources',
  async (entry) => {
    const { inputs } = await bundled(entry);
    expect(inputs.filter((path) => !/^(apps\/demo|libs\/(client|wire))\//.test(path))).toEqual([]);
  },
);

test('the page asks nothing of other places', async () => {
  const { code } = await bundled('page.ts');
  const texts = [code, fileOf('index.html'), fileOf('style.css'), fileOf('icon.svg')];
  const named = texts.flatMap((text) =>
    [...text.matchAll(/\b(?:https?|wss?):\/\/[^\s'"`)]+/g)].map(String),
  );
  // A name space is not fetched; the other two are words in sentences.
  const allowed = /^(http:\/\/www\.w3\.org\/2000\/svg|https:\/\/|http:\/\/127\.0\.0\.1)$/;
  expect(named.filter((url) => !allowed.test(url))).toEqual([]);
});

test('every part of the page that a script looks for is in its markup', () => {
  const html = fileOf('index.html');
  const names = ['page', 'board', 'arrivals', 'relay', 'status', 'notice'];
  const asked = names.flatMap((name) => [...fileOf(`${name}.ts`).matchAll(/byId\('([\w-]+)'\)/g)]);
  expect(asked.length).toBeGreaterThan(15);
  for (const [, id] of asked) expect(html).toContain(`id="${id}"`);
});
