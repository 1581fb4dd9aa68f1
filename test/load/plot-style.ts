/** How plots look. The frame is stretched to the room that there is; strokes and words are not. */
export const PLOT_STYLE = `
.grid {
  display: grid;
  grid-template-columns: repeat(2, minmax(0, 1fr));
  gap: 16px;
}
.grid.small {
  grid-template-columns: repeat(4, minmax(0, 1fr));
}
.wide {
  grid-column: 1/-1;
}
figure {
  margin: 0;
  border: 1px solid var(--edge);
  border-radius: 8px;
  background: var(--card);
  padding: 15px 18px 12px;
  display: flex;
  flex-direction: column;
  min-width: 0;
}
figcaption {
  flex: 1;
}
figcaption p {
  margin: 1px 0 0;
  color: var(--soft);
  font-size: 13px;
}
.keys {
  display: flex;
  flex-wrap: wrap;
  gap: 2px 16px;
  margin-top: 7px;
  font-size: 13px;
  color: var(--soft);
  min-height: 20px;
}
.keys s {
  display: inline-block;
  width: 14px;
  height: 0;
  border-top: 3px solid;
  border-radius: 2px;
  vertical-align: middle;
  margin-right: 6px;
}
.keys s.dashed {
  border-top-style: dotted;
}
.keys b {
  color: var(--ink);
  font-weight: 600;
  font-variant-numeric: tabular-nums;
}
.plot {
  position: relative;
  height: 190px;
  margin: 22px 6px 26px 50px;
  touch-action: pan-y;
}
.small .plot {
  height: 104px;
  margin: 14px 4px 24px 46px;
}
svg {
  position: absolute;
  inset: 0;
  width: 100%;
  height: 100%;
  overflow: visible;
}
path {
  fill: none;
  vector-effect: non-scaling-stroke;
}
.grid path.grid,
svg .grid {
  stroke: var(--grid);
  stroke-width: 1;
}
svg .line {
  stroke-width: 2;
  stroke-linejoin: round;
  stroke-linecap: round;
}
.small .line {
  stroke-width: 1.6;
}
svg .dashed {
  stroke-dasharray: 2 5;
}
svg .area {
  stroke: none;
  opacity: 0.12;
}
svg .fault {
  stroke: var(--fault);
  stroke-width: 1.2;
}
svg .fault.planned {
  stroke: var(--planned);
}
svg .down {
  fill: var(--fault);
  opacity: 0.09;
}
svg .down.planned {
  fill: var(--planned);
}
svg .bound {
  stroke: var(--soft);
  stroke-width: 1.2;
  stroke-dasharray: 5 4;
}
.plot i {
  position: absolute;
  font-style: normal;
  font-size: 12px;
  line-height: 1;
  color: var(--faint);
  white-space: nowrap;
  font-variant-numeric: tabular-nums;
}
.plot .y {
  right: calc(100% + 8px);
  transform: translateY(50%);
}
.plot .x {
  top: calc(100% + 8px);
  transform: translateX(-50%);
}
.plot .limit {
  right: 0;
  transform: translateY(-5px);
  color: var(--soft);
}
.plot .mark {
  position: absolute;
  top: -20px;
  transform: translateX(-50%);
  height: 16px;
  line-height: 16px;
  font-size: 10px;
}
.small .mark {
  display: none;
}
.plot u {
  position: absolute;
  top: 0;
  bottom: 0;
  width: 1px;
  background: var(--ink);
  opacity: 0.55;
  display: none;
  pointer-events: none;
}
${series()}
`;

/** The colors of lines, keys and bars. */
function series(): string {
  const of = (i: number): string =>
    `s.s${i}{border-color:var(--s${i})}.line.s${i}{stroke:var(--s${i})}` +
    `.area.s${i},.bar.s${i}{fill:var(--s${i})}`;
  return [1, 2, 3, 4, 5, 6].map(of).join('\n');
}
