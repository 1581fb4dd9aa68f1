/** The source files as the house rules and the README's tables see them. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Source {
  /** From the root, with forward slashes, e.g. `libs/view/src/presence.ts`. */
  readonly path: string;
  readonly text: string;
  /** The text without its comments. */
  readonly code: string;
  /** What it imports or re-exports, type-only included. */
  readonly imports: readonly string[];
  /** `apps`, `libs` or `test`. */
  readonly area: string;
  /** The app or lib. */
  readonly unit: string;
  /** Tests, contracts and what they are made of. */
  readonly isTest: boolean;
}

const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*['"]([^'"]+)['"]/g;
/** Strings are matched so that a `//` inside one is not taken for a comment. */
const COMMENT_OR_STRING =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;

/** The folder with package.json, from the sources as from `dist`. */
export const ROOT = rootOf(dirname(fileURLToPath(import.meta.url)));

export function readSources(): readonly Source[] {
  return ['apps', 'libs', 'test']
    .flatMap(filesUnder)
    .filter((path) => path.endsWith('.ts'))
    .map((path) => sourceOf(path, readFileSync(join(ROOT, path), 'utf8')));
}

export function sourceOf(path: string, text: string): Source {
  const [area = '', unit = ''] = path.split('/');
  const code = text.replace(COMMENT_OR_STRING, (found) => (/^\/[*/]/.test(found) ? '' : found));
  const imports = [...code.matchAll(IMPORT)].map((match) => match[1] ?? '');
  const isTest = area === 'test' || /\.(spec|e2e-spec|contract)\.ts$|\/test\//.test(path);
  return { path, text, code, imports, area, unit, isTest };
}

function filesUnder(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesUnder(path) : [path];
  });
}

function rootOf(folder: string): string {
  const isDist = folder.endsWith(join('dist', 'test', 'support'));
  return join(folder, ...(isDist ? ['..', '..', '..'] : ['..', '..']));
}
