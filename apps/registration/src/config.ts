import { doorSettings, type DoorSettings, type EnvReader } from '#runtime';

/** What the REST door and the keeper are told from outside. */
export class RegistrationConfig {
  readonly door: DoorSettings;
  readonly port: number;
  /** Devices not seen for so long are removed. */
  readonly deviceDaysMax: number;
  /** New devices per client address and hour. */
  readonly registrationsPerAddressMax: number;

  constructor(env: EnvReader) {
    this.door = doorSettings(env);
    this.port = env.port(
      'REGISTRATION_PORT',
      8_082,
      'registration: `/v1/…`, `/openapi.json`, `/docs`',
    );
    this.deviceDaysMax = env.integer('DEVICE_DAYS_MAX', {
      default: 60,
      min: 14,
      max: 3_650,
      doc: 'devices not seen for so many days are removed',
    });
    this.registrationsPerAddressMax = env.integer('REGISTRATIONS_PER_ADDRESS_MAX', {
      default: 1_000,
      min: 1,
      max: 1_000_000,
      doc: 'new devices per client address (IPv6: per /64) and hour at the REST door; one more is 429',
    });
  }
}

export function registrationConfig(env: EnvReader): RegistrationConfig {
  return new RegistrationConfig(env);
}
