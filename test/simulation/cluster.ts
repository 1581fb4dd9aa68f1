/** Everybody who works on the scene: services, any number of each, and those outside. */
import { GatewayHost } from './gateway-host.js';
import type { Host } from './host.js';
import { IngestHost } from './ingest-host.js';
import { Phone } from './phone.js';
import { RegistrationHost } from './registration-host.js';
import { RouterHost } from './router-host.js';
import type { Scene } from './scene.js';
import { Sender } from './sender.js';

export class Cluster {
  readonly routers: readonly RouterHost[];
  readonly registrations: readonly RegistrationHost[];
  readonly ingests: readonly IngestHost[];
  readonly gateways: readonly GatewayHost[];
  /** A second process under the id of the first gateway; it runs only when a fault starts it. */
  readonly twin: GatewayHost;
  readonly phones: readonly Phone[];
  readonly sender: Sender;

  constructor(readonly scene: Scene) {
    this.routers = ['r0', 'r1'].map((name) => new RouterHost(scene, name));
    this.registrations = ['k0', 'k1'].map((name) => new RegistrationHost(scene, name));
    this.ingests = ['i0', 'i1'].map((name) => new IngestHost(scene, name));
    this.sender = new Sender(scene, this.ingests);
    const others = (): readonly GatewayHost[] => this.gateways;
    this.twin = new GatewayHost(scene, 'g2', { id: 'gw-0', isSpare: true, others });
    this.gateways = [
      new GatewayHost(scene, 'g0', { id: 'gw-0', isSpare: false, others }),
      new GatewayHost(scene, 'g1', { id: 'gw-1', isSpare: false, others }),
      this.twin,
    ];
    this.phones = Array.from({ length: scene.plan.phones }, (_, i) => {
      return new Phone(scene, `d${i}`, { doors: this.gateways, onEndpoint: this.sender });
    });
  }

  get hosts(): readonly Host[] {
    return [...this.routers, ...this.registrations, ...this.ingests, ...this.gateways];
  }
}
