/** When the page uses the client library instead of the browser's own push, and what it says about that. */
import { showNotice } from './notice.js';
import { ForeignService } from './way.js';

/** In localStorage, the name of the other service: a browser whose push was foreign is not asked again. */
export const FOREIGN = 'foreign-service';

const OFFER =
  'To see a browser’s own Push API at work here, run `npm run firefox` beside the service.';

/** By what the browser calls itself; the first that fits. */
const VENDORS: readonly (readonly [mark: RegExp, service: string])[] = [
  [/\bEdg\//, 'Microsoft’s push service'],
  [/Chrom(e|ium)\//, 'Google’s push service'],
  [/\bFirefox\//, 'another push service'],
  [/\bSafari\//, 'Apple’s push service'],
];

export function isReasonForLibrary(error: unknown): boolean {
  return error instanceof ForeignService || (error as Error).name === 'NotAllowedError';
}

/** `reason`: what the browser's push answered, if it was asked. */
export function explainLibrary(reason?: unknown): void {
  const remembered = localStorage.getItem(FOREIGN);
  const foreign = reason instanceof ForeignService ? reason.service : remembered;
  if (foreign !== null) return explainForeign(foreign);
  if (reason !== undefined) return explainBlocked();
  const vendor = VENDORS.find(([mark]) => mark.test(navigator.userAgent))?.[1] ?? 'its vendor';
  showNotice(
    'info',
    `The push of this browser goes through ${vendor}.`,
    'It cannot be pointed elsewhere, so the client library in this page holds the connection.',
    OFFER,
  );
}

function explainForeign(service: string): void {
  showNotice(
    'warning',
    `The push of this browser goes through ${service}.`,
    'Meridian sends through its own service only, so that subscription was refused and given back. The client library in this page holds the connection instead.',
    OFFER,
  );
}

function explainBlocked(): void {
  showNotice(
    'warning',
    'Notifications are blocked for this page.',
    'The client library in this page needs none, so it holds the connection instead.',
  );
}
