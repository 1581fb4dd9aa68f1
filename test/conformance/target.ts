import type { Accounts } from '../support/standalone.js';

/** Where the service under test is: any pair of addresses, one process or a cluster. */
export interface Target {
  /** `ws://…/` */
  readonly gatewayUrl: string;
  /** Origin of endpoints: `http://…` */
  readonly endpointUrl: string;
  /** What became of what was accepted. A cluster decides a moment after its 201. */
  accounts(): Promise<Accounts>;
}
