/** The report as one HTML file that needs nothing else: no network, no font, no library. */
import { COLORS } from './page-colors.js';
import { SCRIPT } from './page-script.js';
import { STYLE } from './page-style.js';
import { PLOT_STYLE } from './plot-style.js';
import { escaped } from './plot.js';
import { ms } from './progress.js';
import { plotsOf } from './plots.js';
import type { Report } from './report.js';
import { failuresOf } from './table.js';

export function pageOf(report: Report): string {
  const { plan, at, engine, verdict } = report;
  const yes = verdict.addsUp;
  const plots = plotsOf(report);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Heliograph load: ${n(plan.devices)} devices, ${n(plan.rate)}/s: ${yes ? 'adds up' : 'DOES NOT ADD UP'}</title>
<style>${COLORS}${PLOT_STYLE}${STYLE}</style>
</head>
<body>
<main>
<header><h1>Heliograph load test</h1><span>${escaped(at.slice(0, 16).replace('T', ' '))} UTC</span><span>${escaped(engine)}</span></header>
<section class="verdict${yes ? '' : ' bad'}">
<p>${yes ? 'The accounts add up' : 'The accounts do not add up'}</p>
<p class="what">${escaped(whatOf(report))}</p>
<ul>${[...verdict.findings]
    .sort((a, b) => Number(a.isGood) - Number(b.isGood))
    .map(({ isGood, says }) => `<li${isGood ? '' : ' class="bad"'}>${escaped(says)}</li>`)
    .join('')}</ul>
</section>
${tilesOf(report)}
${faultsOf(report)}
<h2>Delivery</h2>
<p>Every second of the load, and those after it in which the rest arrived.${report.faults.length > 0 ? ' Shaded: from the end of a process until it was ready again.' : ''}</p>
<div class="grid">${plots.delivery}</div>
<h2>Connections</h2>
<p>A device whose connection ended stays away for ${plan.backAfterSeconds} s, as Firefox does, and tries again.</p>
<div class="grid">${plots.connections}</div>
${plots.cpu ? `<h2>CPU</h2><p>Cores that each process used.</p><div class="grid small">${plots.cpu}</div>` : ''}
${plots.memory ? `<h2>Memory</h2><p>Resident, of each process.</p><div class="grid small">${plots.memory}</div>` : ''}
${partsTable(report)}
<h2>How it was made</h2><p></p>
${factsOf(report)}
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

function whatOf({ plan, faults, summary }: Report): string {
  const of = (how: 'kill' | 'roll'): string =>
    faults
      .filter((fault) => fault.how === how)
      .map(({ part }) => part)
      .join(', ');
  const killed = of('kill') && `; killed: ${of('kill')}`;
  const rolled = of('roll') && `; rolled: ${of('roll')}`;
  return (
    `${n(plan.devices)} devices, ${n(plan.rate)} notifications per second for ` +
    `${summary.sentForSeconds.toFixed(0)} s${killed}${rolled}`
  );
}

function tilesOf({ summary, plan, account }: Report): string {
  const { answerMs, frameMs } = summary;
  const share = Math.round((summary.acceptedPerSecond / plan.rate) * 100);
  const tiles: readonly (readonly [string, string, string])[] = [
    ['Devices', n(plan.devices), `connected in ${summary.connectSeconds.toFixed(1)} s`],
    [
      'Accepted',
      `${n(summary.acceptedPerSecond)}/s`,
      `${share} % of ${n(plan.rate)}/s; ${n(account.accepted)} in all`,
    ],
    ['Delivered', n(account.received), `${n(summary.again)} again after a reconnect`],
    ['Lost', n(account.accepted - account.received), 'accepted, and not received by a device'],
    [
      'POST to 201, p50',
      show(answerMs.p50),
      `p99 ${show(answerMs.p99)} · p99.9 ${show(answerMs.p999)}`,
    ],
    [
      'POST to device, p50',
      show(frameMs.p50),
      `p99 ${show(frameMs.p99)} · p99.9 ${show(frameMs.p999)}`,
    ],
  ];
  const cells = tiles.map(
    ([name, value, more]) => `<div><dt>${name}</dt><dd>${value}</dd><small>${more}</small></div>`,
  );
  return `<dl class="tiles">${cells.join('')}</dl>`;
}

function faultsOf({ faults }: Report): string {
  if (faults.length === 0) return '<p class="faults">Nothing was ended during this load.</p>';
  const items = faults.map(({ part, how, atSeconds, readyAtSeconds }, i) => {
    const signal = how === 'kill' ? 'SIGKILL' : 'SIGTERM';
    const back =
      readyAtSeconds === undefined
        ? 'did not come back'
        : `ready again after ${(readyAtSeconds - atSeconds).toFixed(1)} s`;
    const kind = how === 'roll' ? ' planned' : '';
    return `<li><span class="badge${kind}">${i + 1}</span><b>${escaped(part)}</b> ${signal} at ${atSeconds.toFixed(0)} s, ${back}</li>`;
  });
  return `<ol class="faults">${items.join('')}</ol>`;
}

function partsTable({ parts, faults }: Report): string {
  if (parts.length === 0) return '';
  const rows = parts.map(({ name, coresMean, coresMax, megabytesMax }) => {
    const ended = faults.filter(({ part }) => part === name).length;
    const cells = [coresMean.toFixed(2), coresMax.toFixed(2), n(megabytesMax), ended || '–'];
    return `<tr><th>${escaped(name)}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  const heads = ['', 'cores, mean', 'cores, most', 'MB, most', 'ended'];
  return `<h2>Every process</h2><p>Those of the load itself included: they share the machine.</p>
<div class="table"><table><thead><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr></thead>
<tbody>${rows.join('')}</tbody></table></div>`;
}

function factsOf(report: Report): string {
  const { command, commit, machine, plan, summary, account } = report;
  const codes = Object.entries(summary.closes).map(
    ([code, count]) => `${n(count)} ${code === '0' ? 'without a code' : `with ${code}`}`,
  );
  const answers = Object.entries(account.answers).map(
    ([status, count]) => `${n(count)} × ${status === '0' ? 'no answer' : status}`,
  );
  const facts: readonly (readonly [string, string])[] = [
    ['Command', `<code>${escaped(command)}</code>`],
    ['Commit', `<code>${escaped(commit)}</code>`],
    [
      'Machine',
      escaped(
        `${machine.cores} cores (${machine.cpu}), ${machine.memoryGigabytes} GB, Node ${machine.node}, ${machine.system}; the load runs on it too`,
      ),
    ],
    ['Cluster', `${clusterOf(report)}; bodies of ${n(plan.bytes)} bytes`],
    ['Answers', answers.join(', ') || 'none'],
    ['Closes', codes.join(', ') || 'none'],
    ['Came back', escaped(`${n(summary.returned)}; ${failuresOf(report)}`)],
    [
      'Not sent',
      `${n(summary.skipped)}: all ${n(plan.connections)} connections of the senders were waiting`,
    ],
    ['After the load', `${summary.settleSeconds.toFixed(1)} s until everything had settled`],
  ];
  return `<dl class="facts">${facts.map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`).join('')}</dl>`;
}

function clusterOf({ plan, parts, engine }: Report): string {
  if (plan.target) return escaped(engine);
  const count = (role: string): number => parts.filter((part) => part.role === role).length;
  return (
    `${count('gateway')} gateways, ${count('ingest')} ingests, ${count('router')} routers; ` +
    `DRAIN_SECONDS ${plan.drainSeconds}`
  );
}

function show(value: number | null): string {
  return ms(value ?? undefined);
}

function n(value: number): string {
  return Math.round(value).toLocaleString('en');
}
