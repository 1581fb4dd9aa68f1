/** What JSON.parse gives, asked for its shape. */
export type Members = Readonly<Record<string, unknown>>;

export function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

export function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** `1e999` is JSON and becomes Infinity, which is none. */
export function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

export function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isTexts(value: unknown): value is Readonly<Record<string, string>> {
  return isMembers(value) && Object.values(value).every(isText);
}
