/**
 * The door of devices: WebSocket over uWebSockets.js, on `/`. Thin: it turns the library's callbacks into those
 * of {@link Sessions} and decides nothing but who may connect. What the library does by itself: pongs, invalid
 * UTF-8 (closed), a head that is too large or too slow, and a device that was silent for too long (`idleTimeout`).
 * After `end` it sends the close frame and FIN at once, and resets a peer that does not answer within 16 s.
 */
import * as uWS from 'uWebSockets.js';
import type {
  HttpRequest,
  HttpResponse,
  TemplatedApp,
  WebSocket,
  us_listen_socket,
  us_socket_context_t,
} from 'uWebSockets.js';
import { CountPerKey, TrustedProxies, limitKeyOf, listenRefused } from '#runtime';
import { clientOf, createApp, opened } from '#runtime.uws';
import type { GatewayConfig } from './config.js';
import type { GatewayCounts } from './counts.js';
import type { Session } from './session.js';
import type { Sessions } from './sessions.js';

/** What the library keeps with a connection; it copies these members onto its own object. */
interface Connected {
  session: Session | undefined;
  /** What the limit per address counted it by; undefined: there is no such limit. */
  readonly address: string | undefined;
}
type Connection = WebSocket<Connected>;

export interface SocketServerParts {
  readonly sessions: Sessions;
  readonly counts: GatewayCounts;
}
export type SocketServerConfig = Pick<GatewayConfig, 'port' | 'door' | 'limits' | 'times'>;

/** A frame that is too large by little is refused with its reason, one that is much larger is cut off. */
const FRAME_BYTES_OVER = 1_024;
/** Beyond the devices, for those that still have to be told that there is no room. */
const SOCKETS_SPARE = 32;
/** The library's timeouts tick every 4 s and end early rather than late. */
const IDLE_SECONDS_SPARE = 4;
const IDLE_SECONDS_MAX = 960;

export class SocketServer {
  private readonly proxies: TrustedProxies;
  private readonly perAddress: CountPerKey | undefined;
  private app: TemplatedApp | undefined;
  /** Connections that are upgraded, and all that are open. */
  private upgraded = 0;
  private sockets = 0;
  private listening: us_listen_socket | undefined;

  constructor(
    private readonly parts: SocketServerParts,
    private readonly config: SocketServerConfig,
  ) {
    const { connectionsPerAddressMax } = config.limits;
    this.proxies = new TrustedProxies(config.door.trustedProxies);
    if (connectionsPerAddressMax > 0) this.perAddress = new CountPerKey(connectionsPerAddressMax);
  }

  /** Resolves with the port (0 in the configuration: any). Rejects with a sentence. */
  async listen(): Promise<number> {
    const { port } = this.config;
    const { host, tls } = this.config.door;
    const app = createApp(tls);
    this.app = app
      .filter((res, change) => this.onSocket(res, change))
      .ws<Connected>('/', {
        ...this.behavior(),
        upgrade: (res, req, context) => this.onUpgrade(res, req, context),
        open: (connection) => this.onOpen(connection),
        message: (connection, message, isBinary) => this.onMessage(connection, message, isBinary),
        drain: (connection) => this.onDrain(connection),
        close: (connection) => this.onClose(connection),
      })
      .any('/*', (res, req) => refuse(res, req.getUrl() === '/' ? UPGRADE_REQUIRED : NOT_FOUND));
    this.listening = await opened(this.app, host, port);
    if (!this.listening) throw listenRefused('the device WebSocket (GATEWAY_PORT)', { host, port });
    return uWS.us_socket_local_port(this.listening);
  }

  /** Takes no new connection; those that are open stay. */
  stopListening(): void {
    if (this.listening) uWS.us_listen_socket_close(this.listening);
    this.listening = undefined;
  }

  /** Ends everything at once. */
  close(): void {
    this.stopListening();
    this.app?.close();
    this.app = undefined;
  }

  private behavior() {
    const { limits, times } = this.config;
    const silentSeconds = Math.ceil((2 * times.pingIntervalMs) / 1_000);
    return {
      maxPayloadLength: limits.frameBytesMax + FRAME_BYTES_OVER,
      maxBackpressure: limits.socketBufferBytesMax,
      closeOnBackpressureLimit: false, // the session closes, by its name
      idleTimeout: Math.min(IDLE_SECONDS_MAX, silentSeconds + IDLE_SECONDS_SPARE),
      sendPingsAutomatically: false, // those would come once per idleTimeout: the rounds send ours
    };
  }

  /** The library tells of each that comes, and of each that goes before its upgrade. */
  private onSocket(res: HttpResponse, change: number): void {
    this.sockets += change;
    if (change < 0 || this.sockets <= this.config.limits.connectionsMax + SOCKETS_SPARE) return;
    this.parts.counts.refusedConnections++;
    res.close();
  }

  private onUpgrade(res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void {
    if (this.upgraded >= this.config.limits.connectionsMax) {
      this.parts.counts.refusedConnections++;
      return refuse(res, TOO_MANY);
    }
    let address: string | undefined;
    if (this.perAddress !== undefined) {
      address = limitKeyOf(clientOf(res, this.proxies, () => forwardedFor(req)));
      if (!this.perAddress.enter(address)) {
        this.parts.counts.refusedConnections++;
        return refuse(res, TOO_MANY);
      }
    }
    const connected: Connected = { session: undefined, address };
    res.upgrade(
      connected,
      req.getHeader('sec-websocket-key'),
      chosenProtocol(req.getHeader('sec-websocket-protocol')),
      req.getHeader('sec-websocket-extensions'),
      context,
    );
  }

  private onOpen(connection: Connection): void {
    this.upgraded++;
    connection.getUserData().session = this.parts.sessions.onOpen(connection);
  }

  private onMessage(connection: Connection, message: ArrayBuffer, isBinary: boolean): void {
    const { session } = connection.getUserData();
    if (session === undefined) return;
    const { sessions } = this.parts;
    if (isBinary) return sessions.onBinary(session);
    if (message.byteLength > this.config.limits.frameBytesMax) return sessions.onTooLarge(session);
    sessions.onText(session, Buffer.from(message).toString('utf8'));
  }

  private onDrain(connection: Connection): void {
    const { session } = connection.getUserData();
    if (session !== undefined) this.parts.sessions.onDrained(session);
  }

  private onClose(connection: Connection): void {
    const { session, address } = connection.getUserData();
    this.upgraded--;
    this.sockets--;
    if (address !== undefined) this.perAddress?.leave(address);
    if (session !== undefined) this.parts.sessions.onGone(session);
  }
}

/** All its lines: a proxy may put its own below what its client wrote, and `getHeader` gives the first. */
function forwardedFor(req: HttpRequest): string {
  const lines: string[] = [];
  req.forEach((name, value) => {
    if (name === 'x-forwarded-for') lines.push(value);
  });
  return lines.join(',');
}

/** The one protocol of ours that was offered, or none: then none is echoed. */
function chosenProtocol(offered: string): string {
  return offered.split(',').some((one) => one.trim() === PROTOCOL) ? PROTOCOL : '';
}
const PROTOCOL = 'push-notification';

const NOT_FOUND = '404 Not Found';
const UPGRADE_REQUIRED = '426 Upgrade Required';
const TOO_MANY = '429 Too Many Requests';

function refuse(res: HttpResponse, status: string): void {
  res.writeStatus(status);
  if (status === UPGRADE_REQUIRED) res.writeHeader('upgrade', 'websocket');
  res.end(`${status}\n`, true);
}
