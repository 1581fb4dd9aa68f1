/** How the report looks: light and dark, wide and narrow, on paper. */
export const STYLE = `
* {
  box-sizing: border-box;
}
body {
  margin: 0;
  background: var(--page);
  color: var(--ink);
  font:
    15px/1.5 system-ui,
    -apple-system,
    'Segoe UI',
    Roboto,
    sans-serif;
  -webkit-text-size-adjust: 100%;
}
main {
  max-width: 1120px;
  margin: 0 auto;
  padding: 28px 20px 60px;
}
h1 {
  font-size: 17px;
  font-weight: 600;
  margin: 0;
}
h2 {
  font-size: 17px;
  font-weight: 600;
  margin: 44px 0 4px;
}
h2 + p {
  margin: 0 0 14px;
  color: var(--soft);
  max-width: 75ch;
}
h3 {
  font-size: 14px;
  font-weight: 600;
  margin: 0;
}
header {
  display: flex;
  flex-wrap: wrap;
  gap: 4px 18px;
  align-items: baseline;
  margin-bottom: 18px;
  color: var(--soft);
}
header h1 {
  color: var(--ink);
}
code {
  font:
    13px/1.5 ui-monospace,
    SFMono-Regular,
    Menlo,
    Consolas,
    monospace;
  overflow-wrap: anywhere;
}
.verdict {
  border: 1px solid var(--edge);
  border-left: 5px solid var(--good);
  border-radius: 8px;
  background: var(--card);
  padding: 20px 22px;
}
.verdict.bad {
  border-left-color: var(--bad);
}
.verdict > p {
  font-size: 27px;
  line-height: 1.25;
  font-weight: 650;
  letter-spacing: -0.01em;
  margin: 0;
}
.verdict .what {
  font-size: 15px;
  line-height: 1.5;
  font-weight: 400;
  letter-spacing: 0;
  color: var(--soft);
  margin: 2px 0 14px;
}
.verdict ul {
  list-style: none;
  margin: 0;
  padding: 0;
  columns: 2;
  column-gap: 34px;
  color: var(--soft);
  font-size: 14px;
}
.verdict li {
  break-inside: avoid;
  padding: 3px 0 3px 25px;
  position: relative;
}
.verdict li::before {
  content: '✓';
  position: absolute;
  left: 2px;
  color: var(--good);
  font-weight: 700;
}
.verdict li.bad {
  color: var(--ink);
  font-weight: 600;
}
.verdict li.bad::before {
  content: '✗';
  color: var(--bad);
}
.tiles {
  display: grid;
  grid-template-columns: repeat(auto-fit, minmax(160px, 1fr));
  gap: 1px;
  margin-top: 16px;
  border: 1px solid var(--edge);
  border-radius: 8px;
  overflow: hidden;
  background: var(--edge);
}
.tiles div {
  background: var(--card);
  padding: 14px 18px 12px;
}
.tiles dt {
  color: var(--soft);
  font-size: 13px;
}
.tiles dd {
  margin: 0;
  font-size: 25px;
  line-height: 1.3;
  font-weight: 600;
  letter-spacing: -0.01em;
}
.tiles small {
  display: block;
  color: var(--faint);
  font-size: 12.5px;
  line-height: 1.4;
}
.faults {
  list-style: none;
  display: flex;
  flex-wrap: wrap;
  gap: 6px 22px;
  padding: 0;
  margin: 16px 0 0;
  font-size: 14px;
  color: var(--soft);
}
.faults b {
  color: var(--ink);
  font-weight: 600;
}
.badge,
.mark {
  display: inline-block;
  min-width: 18px;
  height: 18px;
  padding: 0 4px;
  border-radius: 9px;
  background: var(--fault);
  color: #fff;
  font:
    600 11px/18px system-ui,
    sans-serif;
  text-align: center;
}
.badge {
  margin-right: 7px;
}
.badge.planned,
.mark.planned {
  background: var(--planned);
}
@media (prefers-color-scheme: dark) {
  .badge,
  .mark {
    color: #0f0f0e;
  }
}
.table {
  overflow-x: auto;
  border: 1px solid var(--edge);
  border-radius: 8px;
  background: var(--card);
}
table {
  border-collapse: collapse;
  width: 100%;
  font-size: 14px;
}
th,
td {
  padding: 7px 16px;
  text-align: right;
  white-space: nowrap;
  border-top: 1px solid var(--grid);
  font-variant-numeric: tabular-nums;
}
thead th {
  border-top: 0;
  color: var(--soft);
  font-weight: 500;
}
th:first-child {
  text-align: left;
  font-weight: 500;
}
dl.facts {
  display: grid;
  grid-template-columns: auto 1fr;
  gap: 5px 22px;
  margin: 0;
  font-size: 14px;
}
dl.facts dt {
  color: var(--soft);
}
dl.facts dd {
  margin: 0;
  overflow-wrap: anywhere;
}
@media (max-width: 760px) {
  main {
    padding: 18px 12px 44px;
  }
  .grid,
  .grid.small {
    grid-template-columns: minmax(0, 1fr);
  }
  .verdict ul {
    columns: 1;
  }
  .verdict > p:not(.what) {
    font-size: 22px;
  }
  .verdict {
    padding: 16px;
  }
  .tiles {
    grid-template-columns: repeat(2, 1fr);
  }
  .tiles div {
    padding: 11px 13px;
  }
  .tiles dd {
    font-size: 21px;
  }
  figure {
    padding: 13px 12px 8px;
  }
  .plot {
    height: 170px;
  }
  .plot .x:nth-of-type(even) {
    display: none;
  }
  dl.facts {
    grid-template-columns: 1fr;
  }
  dl.facts dd {
    margin-bottom: 6px;
  }
  th,
  td {
    padding: 7px 10px;
  }
}
@media print {
  body {
    background: #fff;
  }
  figure,
  .verdict,
  .tiles {
    break-inside: avoid;
  }
}
`;
