/** Step 6 as the application server tells it: each try, and what the push service answered. */
import type { Report } from '../src/reports.js';
import { element } from './element.js';
import { duration, spelledHeaders } from './spoken.js';
import type { Said, StepStory } from './steps.js';

const SHOWN_MAX = 8;

/** The latest tries, newest first. */
export class SenderLog {
  readonly list = element('ol', { className: 'log', attributes: { 'aria-label': 'Latest tries' } });

  add(report: Report): void {
    const { number, outcome, attempt } = report;
    const data = { number: String(number), outcome, status: String(statusOf(report) ?? '') };
    const tries = attempt > 1 ? `, try ${attempt}` : '';
    this.list.prepend(element('li', { data, text: `#${number}${tries}: ${summaryOf(report)}` }));
    while (this.list.childElementCount > SHOWN_MAX) this.list.lastElementChild?.remove();
  }
}

export function statusOf({ exchange }: Report): number | undefined {
  return exchange?.answer?.status;
}

export function summaryOf(report: Report): string {
  const { outcome, retryInMs = 0, exchange } = report;
  const came = exchange?.answer
    ? `${exchange.answer.status} in ${duration(exchange.tookMs)}`
    : (exchange?.failure ?? 'not sent');
  switch (outcome) {
    case 'sent':
      return came;
    case 'waiting':
      return `${came}; tried again in ${duration(retryInMs)}`;
    case 'removed':
      return `${came}; the endpoint is gone, the site has forgotten it`;
    case 'refused':
      return `${came}; given up`;
    case 'dropped':
      return 'dropped: too old, or too many were waiting';
  }
}

export function storyOf(report: Report): StepStory {
  const { exchange, outcome } = report;
  const state = outcome === 'sent' ? 'done' : outcome === 'waiting' ? 'active' : 'failed';
  const said: Said[] = [];
  if (exchange) {
    const { url, headers, answer, failure } = exchange;
    said.push({ by: 'Meridian', text: `POST ${url}\n${spelledHeaders(headers)}` });
    const answered =
      answer && `${answer.status}\n${spelledHeaders(answer.headers)}\n${answer.body}`;
    said.push({
      by: answer ? 'Heliograph' : 'No answer',
      text: (answered ?? failure ?? '').trim(),
    });
  }
  return { state, summary: `\`POST\` ${summaryOf(report)}`, said };
}
