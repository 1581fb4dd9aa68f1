/** A pointer over one plot over time reads the same second in all of them. */
export const SCRIPT = `
const figures = [...document.querySelectorAll('figure[data-over]')].map((f) => ({
  plot: f.querySelector('.plot'),
  cursor: f.querySelector('u'),
  values: [...f.querySelectorAll('.keys b')],
  lines: JSON.parse(f.dataset.lines),
  to: Number(f.dataset.over),
}));
const show = (second) => {
  for (const f of figures) {
    const is = second !== null && second < f.to;
    f.cursor.style.display = is ? 'block' : 'none';
    if (is) f.cursor.style.left = ((second + 0.5) / f.to) * 100 + '%';
    f.values.forEach((b, i) => (b.textContent = is ? (f.lines[i][second] ?? '') : ''));
  }
  document.body.dataset.second = second ?? '';
};
for (const f of figures) {
  const move = (e) => {
    const r = f.plot.getBoundingClientRect();
    const at = (e.clientX - r.left) / r.width;
    show(at < 0 || at >= 1 ? null : Math.floor(at * f.to));
  };
  f.plot.addEventListener('pointermove', move);
  f.plot.addEventListener('pointerdown', move);
  f.plot.addEventListener('pointerleave', () => show(null));
}
`;
