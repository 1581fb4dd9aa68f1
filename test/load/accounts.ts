/** The accounts of a cluster from what its routers tell a scraper: each partition is told by the one that owns it. */
import type { Accounts } from '../support/standalone.js';

const SAMPLE = /^heliograph_(accepted_total|pending|outcomes_total)(\{.*\})? (\d+)$/gm;

export function accountsOf(scrapes: readonly string[]): Accounts {
  const samples = new Map<string, { name: string; labels: string; value: number }>();
  for (const text of scrapes) {
    for (const [, name = '', labels = '', value] of text.matchAll(SAMPLE)) {
      samples.set(name + labels, { name, labels, value: Number(value) });
    }
  }
  let [accepted, pending, ended] = [0, 0, 0];
  const outcomes: Record<string, number> = {};
  for (const { name, labels, value } of samples.values()) {
    if (name === 'accepted_total') accepted += value;
    else if (name === 'pending') pending += value;
    else {
      const outcome = /outcome="(\w+)"/.exec(labels)?.[1] ?? '';
      outcomes[outcome] = (outcomes[outcome] ?? 0) + value;
      ended += value;
    }
  }
  return { accepted, pending, outcomes, unaccounted: accepted - ended - pending };
}
