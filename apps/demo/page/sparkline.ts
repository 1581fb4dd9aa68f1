const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 120;
const HEIGHT = 36;
const MARGIN = 3;
const POINTS_MAX = 40;

/** The course of a price as a line, with the opening as a dashed one. */
export class Sparkline {
  readonly picture = document.createElementNS(SVG, 'svg');
  private readonly line = document.createElementNS(SVG, 'path');
  private readonly area = document.createElementNS(SVG, 'path');
  private readonly base = document.createElementNS(SVG, 'path');
  private readonly tip = document.createElementNS(SVG, 'circle');
  private readonly prices: number[];

  constructor(
    label: string,
    private readonly open: number,
  ) {
    this.prices = [open];
    this.picture.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    this.picture.setAttribute('role', 'img');
    this.picture.setAttribute('aria-label', label);
    this.picture.setAttribute('class', 'sparkline');
    this.picture.setAttribute('preserveAspectRatio', 'none');
    for (const [part, name] of [
      [this.area, 'area'],
      [this.base, 'base'],
      [this.line, 'line'],
      [this.tip, 'tip'],
    ] as const) {
      part.setAttribute('class', name);
      this.picture.append(part);
    }
    this.tip.setAttribute('r', '2.5');
    this.draw();
  }

  add(price: number): void {
    this.prices.push(price);
    if (this.prices.length > POINTS_MAX) this.prices.shift();
    this.draw();
  }

  private draw(): void {
    const low = Math.min(this.open, ...this.prices);
    const high = Math.max(this.open, ...this.prices);
    const scale = (HEIGHT - 2 * MARGIN) / (high - low || 1);
    const y = (price: number): number =>
      high === low ? HEIGHT / 2 : HEIGHT - MARGIN - (price - low) * scale;
    const step = (WIDTH - 2 * MARGIN) / Math.max(1, this.prices.length - 1);
    const points = this.prices.map((price, at) => `${MARGIN + at * step} ${y(price)}`);
    const line = `M${points.join('L')}`;
    const end = MARGIN + (this.prices.length - 1) * step;
    this.line.setAttribute('d', line);
    this.area.setAttribute('d', `${line}L${end} ${HEIGHT}L${MARGIN} ${HEIGHT}Z`);
    this.base.setAttribute('d', `M0 ${y(this.open)}H${WIDTH}`);
    this.tip.setAttribute('cx', String(end));
    this.tip.setAttribute('cy', String(y(this.prices.at(-1) ?? this.open)));
  }
}
