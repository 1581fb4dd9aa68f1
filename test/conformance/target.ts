/** Where the service under test is: any pair of addresses, one process or a cluster. */
export interface Target {
  /** `ws://…/` */
  readonly gatewayUrl: string;
  /** Origin of endpoints: `http://…` */
  readonly endpointUrl: string;
}
