/** Reads YAML of one or more documents. */
import { createRequire } from 'node:module';

interface JsYaml {
  loadAll(text: string): unknown[];
}
const yaml = createRequire(import.meta.url)('js-yaml') as JsYaml;

/** Merge keys (`<<`), which YAML 1.2 has no more and Compose still knows, are resolved. */
export function readYaml<T>(text: string): readonly T[] {
  return yaml.loadAll(text).flatMap((one) => (one ? [merged(one) as T] : []));
}

function merged(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(merged);
  if (typeof value !== 'object' || value === null) return value;
  const { '<<': base, ...own } = value as Record<string, unknown>;
  const members = Object.entries(own).map(([name, member]) => [name, merged(member)] as const);
  const inherited = base === undefined ? {} : (merged(base) as object);
  return { ...inherited, ...Object.fromEntries(members) };
}
