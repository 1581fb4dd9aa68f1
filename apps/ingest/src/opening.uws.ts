/** How the door of application servers opens: with or without TLS, on one address, and on a port of its own. */
import * as uWS from 'uWebSockets.js';
import type { TemplatedApp, us_listen_socket } from 'uWebSockets.js';
import { StartRefused, type TlsFiles } from '#runtime';

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
