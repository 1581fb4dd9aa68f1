/** Numbers and frames as people read them. */

const PRICE = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const SIGNED = new Intl.NumberFormat('en', {
  minimumFractionDigits: 2,
  maximumFractionDigits: 2,
  signDisplay: 'exceptZero',
});
const TIME = new Intl.DateTimeFormat('en', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const LONG_TEXT = 72;

export const price = (value: number): string => PRICE.format(value);
export const signed = (value: number): string => SIGNED.format(value).replace('-', '−');
export const timeOfDay = (at: number): string => TIME.format(at);

export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 3_600_000)} h`;
}

/** A token as a person would point at it. */
export function tokenised(text: string): string {
  return text.length <= 16 ? text : `${text.slice(0, 7)}…${text.slice(-5)}`;
}

/** An endpoint, or the URL of a message: its last segment is the token. */
export function tokenOf(url: string): string {
  const { pathname } = new URL(url);
  const at = pathname.lastIndexOf('/') + 1;
  return `…${pathname.slice(0, at)}${tokenised(pathname.slice(at))}`;
}

/** Keeps both ends of what nobody reads to its end. */
export function shortened(text: string, length = LONG_TEXT): string {
  if (text.length <= length) return text;
  return `${text.slice(0, length - 12)}…${text.slice(-8)} (${text.length} characters)`;
}

/** Indented, with long texts shortened. */
export function spelled(value: unknown): string {
  const short = (_: string, inner: unknown): unknown =>
    typeof inner === 'string' ? shortened(inner) : inner;
  return JSON.stringify(value, short, 2);
}

/** An HTTP message of headers as it would stand on the wire. */
export function spelledHeaders(headers: Readonly<Record<string, string>>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${shortened(value)}`)
    .join('\n');
}
