/**
 * Plots as HTML: the lines are SVG that is stretched to whatever room there is (strokes are not), the words beside them
 * are text of the page, so that they stay readable on a phone.
 */
export interface Line {
  readonly name: string;
  /** A class of the page's style: s1 … s6. */
  readonly color: string;
  /** x and y; y null: nothing was measured there, and the line has a gap. */
  readonly points: readonly (readonly [number, number | null])[];
  readonly isDashed?: boolean;
  readonly isArea?: boolean;
}

export interface Mark {
  readonly label: string;
  readonly title: string;
  readonly from: number;
  readonly to: number;
  readonly isPlanned: boolean;
}

export interface Plot {
  readonly title: string;
  readonly about?: string;
  readonly lines: readonly Line[];
  /** Bars instead of lines. */
  readonly isBars?: boolean;
  readonly x: Scale;
  readonly y: Scale;
  readonly marks?: readonly Mark[];
  /** A horizontal line. */
  readonly limit?: { readonly at: number; readonly says: string };
  /** Whether a pointer over one such plot shows the same second in all. */
  readonly isOverTime?: boolean;
  readonly isSmall?: boolean;
}

export interface Scale {
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly number[];
  readonly show: (value: number) => string;
  /** Where a value lies, 0 to 1. */
  readonly place: (value: number) => number;
}

const SIZE = 1_000;

export function linear(to: number, show: (value: number) => string, from = 0): Scale {
  const span = Math.max(to - from, 1e-9);
  const isCounted = show(0.25) === show(0);
  const step = Math.max(stepOf(span / 4), isCounted ? 1 : 0);
  const top = Math.ceil(to / step - 1e-9) * step;
  const count = Math.round((top - from) / step);
  const ticks = Array.from({ length: count + 1 }, (_, i) => from + i * step);
  return { from, to: top, ticks, show, place: (value) => (value - from) / (top - from || 1) };
}

/** Of seconds: it ends where the load does. */
export function time(seconds: number, ticksMax = 8): Scale {
  const to = Math.max(1, seconds);
  const steps = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600];
  const step = steps.find((one) => to / one <= ticksMax) ?? 1_200;
  const ticks = Array.from({ length: Math.floor(to / step) + 1 }, (_, i) => i * step);
  return { from: 0, to, ticks, show: (value) => `${value} s`, place: (value) => value / to };
}

export function logarithmic(from: number, to: number, show: (value: number) => string): Scale {
  const [low, high] = [
    Math.floor(Math.log10(from)),
    Math.ceil(Math.log10(Math.max(to, from * 10))),
  ];
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  const place = (value: number): number =>
    Math.min(1, Math.max(0, (Math.log10(Math.max(value, 1e-9)) - low) / (high - low)));
  return { from: 10 ** low, to: 10 ** high, ticks, show, place };
}

export function figureOf(plot: Plot): string {
  const { title, about, x, y, lines, isOverTime, isSmall, limit } = plot;
  const keys = lines.map(keyOf).join('');
  const ticks = [
    ...y.ticks.map(
      (tick) =>
        `<i class="y" style="bottom:${percent(y.place(tick))}">${y.show(tick).replace('.0 ', ' ')}</i>`,
    ),
    ...x.ticks.map(
      (tick) => `<i class="x" style="left:${percent(x.place(tick))}">${x.show(tick)}</i>`,
    ),
    ...(plot.marks ?? []).map(
      (mark) =>
        `<b class="mark${mark.isPlanned ? ' planned' : ''}" style="left:${percent(x.place(mark.from))}" ` +
        `title="${escaped(mark.title)}">${mark.label}</b>`,
    ),
    ...(limit
      ? [`<i class="limit" style="bottom:${percent(y.place(limit.at))}">${escaped(limit.says)}</i>`]
      : []),
  ];
  const shown = isOverTime
    ? ` data-over="${x.to}" data-lines="${escaped(JSON.stringify(readable(plot)))}"`
    : '';
  return `<figure class="${isSmall ? 'small' : ''}"${shown}>
<figcaption><h3>${escaped(title)}</h3>${about ? `<p>${escaped(about)}</p>` : ''}${lines.length > 1 || isOverTime ? `<div class="keys">${keys}</div>` : ''}</figcaption>
<div class="plot"><svg viewBox="0 0 ${SIZE} ${SIZE}" preserveAspectRatio="none" role="img" aria-label="${escaped(title)}">
${drawn(plot)}</svg>${ticks.join('')}${isOverTime ? '<u></u>' : ''}</div>
</figure>`;
}

function keyOf({ name, color, isDashed }: Line): string {
  return `<span><s class="${color}${isDashed ? ' dashed' : ''}"></s>${escaped(name)} <b></b></span>`;
}

function drawn(plot: Plot): string {
  const { x, y, lines, limit } = plot;
  const parts = y.ticks.map((tick) => rule('grid', y.place(tick)));
  for (const { from, to, isPlanned } of plot.marks ?? []) {
    const left = at(x.place(from));
    const width = Math.max(0, at(x.place(Math.min(to, x.to))) - left);
    const kind = isPlanned ? ' planned' : '';
    parts.push(`<rect class="down${kind}" x="${left}" y="0" width="${width}" height="${SIZE}"/>`);
    parts.push(`<path class="fault${kind}" d="M${left} 0V${SIZE}"/>`);
  }
  for (const line of lines) parts.push(plot.isBars ? barsOf(line, plot) : lineOf(line, plot));
  if (limit) parts.push(rule('bound', y.place(limit.at)));
  return parts.join('\n');
}

function rule(kind: string, place: number): string {
  return `<path class="${kind}" d="M0 ${SIZE - at(place)}H${SIZE}"/>`;
}

function lineOf({ points, color, isDashed, isArea }: Line, { x, y }: Plot): string {
  const runs: string[][] = [[]];
  for (const [where, value] of points) {
    if (value === null) runs.push([]);
    else runs.at(-1)!.push(`${at(x.place(where))} ${SIZE - at(y.place(value))}`);
  }
  return runs
    .filter(({ length }) => length > 0)
    .map((run) => {
      const path = run.length === 1 ? `M${run[0]}h2` : `M${run.join('L')}`;
      const [first, last] = [run[0], run.at(-1)].map((point) => point?.split(' ')[0]);
      const area = isArea
        ? `<path class="area ${color}" d="M${first} ${SIZE}L${run.join('L')}L${last} ${SIZE}Z"/>`
        : '';
      return `${area}<path class="line ${color}${isDashed ? ' dashed' : ''}" d="${path}"/>`;
    })
    .join('\n');
}

function barsOf({ points, color }: Line, { x, y }: Plot): string {
  const width = x.place(x.from + 1) * SIZE;
  const path = points
    .filter(([, value]) => value)
    .map(([where, value]) => {
      const height = at(y.place(value ?? 0));
      const [left, wide] = [at(x.place(where)), (width * 0.8).toFixed(1)];
      return `M${left} ${SIZE}v-${height}h${wide}v${height}z`;
    });
  return `<path class="bar ${color}" d="${path.join('')}"/>`;
}

/** By line, the words for each second. */
function readable({ lines, y, x }: Plot): readonly (readonly string[])[] {
  return lines.map(({ points }) => {
    const words = Array.from({ length: Math.ceil(x.to) + 1 }, () => '–');
    for (const [second, value] of points) {
      if (value !== null && second < words.length) words[Math.floor(second)] = y.show(value);
    }
    return words;
  });
}

function stepOf(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return (
    [1, 2, 5, 10].map((one) => one * power).find((step) => step >= least * 0.999) ?? power * 10
  );
}

function at(place: number): number {
  return Math.round(place * SIZE * 10) / 10;
}

function percent(place: number): string {
  return `${(place * 100).toFixed(2)}%`;
}

export function escaped(text: string): string {
  const codes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replace(/[&<>"]/g, (found) => codes[found] ?? found);
}
