/**
 * The REST door without HTTP (contract §3): step 3 of the flow for devices that do not register over the
 * socket. The device identifier is the device's secret; inside there is only its hash (design §6).
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { Pace, PacePerKey, limitKeyOf, type Log } from '#runtime';
import type { Registrar } from '#subscriptions';
import type { SubscriptionLookup } from '#view';
import { deviceIdOf, type DeviceId } from '#webpush';
import { doorRefused, type DoorRefused } from './door-refusals.js';
import {
  parseNewRegistration,
  subscriptionName,
  subscriptionNamed,
  type NewRegistration,
} from './registration-input.js';

export interface Registered {
  readonly kind: 'registered';
  readonly device: string;
  readonly subscription: string;
  readonly receiver: string;
  readonly endpoint: string;
}

export interface ListedRegistration {
  readonly subscription: string;
  readonly site?: string;
  /** It was registered with an application server key. */
  readonly isKeyed: boolean;
}

export interface Listed {
  readonly kind: 'listed';
  readonly registrations: readonly ListedRegistration[];
}

export interface Removed {
  readonly kind: 'removed';
}

export interface RegistrationsPorts {
  readonly registrar: Registrar;
  readonly lookup: SubscriptionLookup;
}

export interface RegistrationsOptions {
  readonly registrationsPerAddressMax: number;
  readonly log: Log;
  readonly clock?: () => number;
}

const SECONDS_PER_HOUR = 3_600;
const UNAVAILABLE = doorRefused('unavailable');

export class Registrations {
  readonly counts = { registered: 0, listed: 0, removed: 0, refused: 0 };
  private readonly newDevices: PacePerKey;
  private readonly clock: () => number;

  constructor(
    private readonly ports: RegistrationsPorts,
    private readonly options: RegistrationsOptions,
  ) {
    const perHour = options.registrationsPerAddressMax;
    this.newDevices = new PacePerKey(new Pace(perHour / SECONDS_PER_HOUR, perHour));
    this.clock = options.clock ?? Date.now;
  }

  /** `address`: the client's, for the limit on new devices. */
  register(body: unknown, address: string): Promise<Registered | DoorRefused> {
    const wanted = parseNewRegistration(body);
    return this.answer(async () => ('kind' in wanted ? wanted : this.create(wanted, address)));
  }

  list(device: string | undefined): Promise<Listed | DoorRefused> {
    return this.answer(async () => {
      const known = await this.knownDevice(device);
      if (typeof known !== 'string') return known;
      const { subscriptions } = await this.ports.lookup.list(known);
      const registrations = subscriptions.map(({ subscription, site, fingerprint }) => ({
        subscription: subscriptionName(subscription),
        ...(site !== undefined && { site }),
        isKeyed: fingerprint !== undefined,
      }));
      return { kind: 'listed', registrations };
    });
  }

  remove(device: string | undefined, name: string): Promise<Removed | DoorRefused> {
    return this.answer(async () => {
      const known = await this.knownDevice(device);
      if (typeof known !== 'string') return known;
      const subscription = subscriptionNamed(name);
      if (subscription === undefined) return doorRefused('subscriptionUnknown');
      const { state, found } = await this.ports.lookup.find(known, subscription);
      if (found === undefined) {
        return state === 'ready' ? doorRefused('subscriptionUnknown') : UNAVAILABLE;
      }
      await this.ports.registrar.unregister(known, subscription);
      return { kind: 'removed' };
    });
  }

  forget(device: string | undefined): Promise<Removed | DoorRefused> {
    return this.answer(async () => {
      const known = await this.knownDevice(device);
      if (typeof known !== 'string') return known;
      await this.ports.registrar.forget(known);
      return { kind: 'removed' };
    });
  }

  private async create(
    { site, applicationServerKey: key, device }: NewRegistration,
    address: string,
  ): Promise<Registered | DoorRefused> {
    if (device !== undefined) {
      const known = await this.knownDevice(device);
      if (typeof known !== 'string') return known;
    } else if (!this.newDevices.take(limitKeyOf(address), this.clock())) {
      return doorRefused('devicesTooMany');
    }
    const secret = device ?? randomBytes(16).toString('hex');
    const subscription = randomUUID();
    const id = subscriptionNamed(subscription);
    if (id === undefined) throw new Error(`${subscription} is no subscription`);
    const registration = await this.ports.registrar.register(deviceIdOf(secret), id, { key, site });
    if (registration.kind === 'refused') {
      if (registration.reason === 'too many') return doorRefused('subscriptionsTooMany');
      const field = 'applicationServerKey';
      return doorRefused('invalid', [{ field, message: registration.reason }]);
    }
    const { receiver, endpoint } = registration;
    return { kind: 'registered', device: secret, subscription, receiver, endpoint };
  }

  /** An unknown device counts as unknown only where the view is `ready` (design §5, rule 9). */
  private async knownDevice(secret: string | undefined): Promise<DeviceId | DoorRefused> {
    if (secret === undefined) return doorRefused('unauthorized');
    const device = deviceIdOf(secret);
    const { state, isKnown } = await this.ports.lookup.findDevice(device);
    if (isKnown) return device;
    return state === 'ready' ? doorRefused('deviceUnknown') : UNAVAILABLE;
  }

  /** An outage of log or view is an answer, counted like all others. */
  private async answer<A extends Registered | Listed | Removed>(
    work: () => Promise<A | DoorRefused>,
  ): Promise<A | DoorRefused> {
    let answer: A | DoorRefused;
    try {
      answer = await work();
    } catch (error) {
      this.options.log.sampled('registration', 'answered 503', { error });
      answer = UNAVAILABLE;
    }
    this.counts[answer.kind]++;
    return answer;
  }
}
