/** The application server as its page sees it. */
import type { SubscriptionJson } from '#client';
import type { Listing } from '../src/quote.js';
import type { Report } from '../src/reports.js';

export interface SiteFacts {
  readonly name: string;
  readonly applicationServerKey: string;
  readonly gatewayUrl: string;
  readonly endpointOrigin: string;
  readonly quoteIntervalMs: number;
  readonly listings: readonly Listing[];
  readonly now: number;
}

export interface Told<T> {
  readonly body: T;
  readonly status: number;
  readonly tookMs: number;
}

/** The site answered, and not with what was asked for. */
export class SiteRefusal extends Error {}

export async function fetchFacts(): Promise<Told<SiteFacts> & { readonly offsetMs: number }> {
  const askedAt = Date.now();
  const told = await told200<SiteFacts>(fetch('api/site', { cache: 'no-store' }));
  // The site read its clock half way between question and answer, give or take that half.
  const halfMs = (Date.now() - askedAt) / 2;
  const offsetMs = told.body.now - askedAt - halfMs;
  return { ...told, offsetMs: Math.abs(offsetMs) > halfMs ? offsetMs : 0 };
}

export function enrol(subscription: SubscriptionJson): Promise<Told<{ readonly id: string }>> {
  return post('api/subscriptions', subscription);
}

export function askForQuote(
  id: string,
  isEmpty: boolean,
): Promise<Told<{ readonly number: number }>> {
  return post(`api/subscriptions/${id}/quotes`, { isEmpty });
}

/** What becomes of what the site sends to this subscriber, until the returned function is called. */
export function followReports(id: string, onReport: (report: Report) => void): () => void {
  const source = new EventSource(`api/subscriptions/${id}/reports`);
  // A source that reconnects is told the latest reports again.
  const seen = new Set<string>();
  source.onmessage = ({ data }: MessageEvent<string>) => {
    if (!seen.has(data)) onReport(JSON.parse(data) as Report);
    seen.add(data);
  };
  return () => source.close();
}

function post<T>(path: string, body: unknown): Promise<Told<T>> {
  const headers = { 'content-type': 'application/json' };
  return told200(fetch(path, { method: 'POST', headers, body: JSON.stringify(body) }));
}

async function told200<T>(asked: Promise<Response>): Promise<Told<T>> {
  const began = performance.now();
  const response = await asked;
  const body = (await response.json()) as T & { readonly message?: string };
  if (!response.ok) throw new SiteRefusal(body.message ?? `status ${response.status}`);
  return { body, status: response.status, tookMs: performance.now() - began };
}
