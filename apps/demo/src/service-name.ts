/** The services of browser vendors, by the end of their host names. */
const KNOWN_SERVICES: readonly (readonly [hostEnd: string, name: string])[] = [
  ['push.services.mozilla.com', "Mozilla's push service"],
  ['googleapis.com', "Google's push service"],
  ['push.apple.com', "Apple's push service"],
  ['notify.windows.com', "Microsoft's push service"],
];

/** What a person calls the service behind an endpoint. */
export function serviceOf(endpoint: URL): string {
  const known = KNOWN_SERVICES.find(([hostEnd]) => isUnder(endpoint.hostname, hostEnd));
  return known ? `${known[1]} (${endpoint.host})` : endpoint.host;
}

function isUnder(host: string, end: string): boolean {
  return host === end || host.endsWith(`.${end}`);
}
