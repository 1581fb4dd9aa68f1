/** What the doors of devices and of senders share: how they open over uWebSockets.js, and who is at them. */
import * as uWS from 'uWebSockets.js';
import type { HttpResponse, TemplatedApp, us_listen_socket } from 'uWebSockets.js';
import type { TlsFiles } from './door-settings.js';
import { StartRefused } from './start-refused.js';
import type { TrustedProxies } from './trusted-proxies.js';

export function createApp(tls: TlsFiles | undefined): TemplatedApp {
  if (!tls) return uWS.App();
  try {
    return uWS.SSLApp({ cert_file_name: tls.certFile, key_file_name: tls.keyFile });
  } catch (cause) {
    throw new StartRefused(
      `TLS_CERT_FILE ${tls.certFile} and TLS_KEY_FILE ${tls.keyFile} are no PEM certificate with its key.`,
      { cause },
    );
  }
}

/** The library takes (host, port, options, callback) too; its types do not say so. */
type ListenOnHost = (
  host: string,
  port: number,
  options: number,
  then: (socket: us_listen_socket | false) => void,
) => TemplatedApp;
/** Without it two processes would share the port, each with half of the connections. */
const EXCLUSIVE_PORT = 1;

/** undefined: the port is taken, or is not ours to open. */
export function opened(
  app: TemplatedApp,
  host: string,
  port: number,
): Promise<us_listen_socket | undefined> {
  return new Promise((resolve) => {
    const listen = app.listen.bind(app) as unknown as ListenOnHost;
    listen(host, port, EXCLUSIVE_PORT, (socket) => resolve(socket || undefined));
  });
}

/** The address of the client. `forwardedFor` is asked for peers that are trusted alone. */
export function clientOf(
  res: HttpResponse,
  proxies: TrustedProxies,
  forwardedFor: () => string | undefined,
): string {
  const peer = textOf(res.getRemoteAddressAsText());
  if (!proxies.trusts(peer)) return proxies.clientOf(peer, undefined);
  // The library takes PROXY v2 from anybody, so it is looked at for peers that are trusted alone.
  const proxied = textOf(res.getProxiedRemoteAddressAsText());
  return proxies.clientOf(proxied || peer, forwardedFor());
}

function textOf(bytes: ArrayBuffer): string {
  return Buffer.from(bytes).toString('latin1');
}
