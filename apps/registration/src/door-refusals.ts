/** THE table of what the REST door refuses on purpose. Anything that goes wrong and is no row is an error. */
export interface DoorRefusalRow {
  readonly status: number;
  readonly error: string;
  readonly say: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export const DOOR_REFUSALS = {
  invalid: { status: 400, error: 'Bad Request', say: 'The request is not valid' },
  unauthorized: {
    status: 401,
    error: 'Unauthorized',
    say: 'Authorization: Bearer <device> is missing or is no device identifier',
    headers: { 'WWW-Authenticate': 'Bearer' },
  },
  deviceUnknown: {
    status: 404,
    error: 'Not Found',
    say: 'No such device: it was removed or never registered; register without a device for a new one',
  },
  subscriptionUnknown: {
    status: 404,
    error: 'Not Found',
    say: 'This device has no such subscription',
  },
  subscriptionsTooMany: {
    status: 409,
    error: 'Conflict',
    say: 'This device has as many subscriptions as it may: delete one',
  },
  devicesTooMany: {
    status: 429,
    error: 'Too Many Requests',
    say: 'Too many new devices from this address: retry later',
    headers: { 'Retry-After': '600' },
  },
  unavailable: {
    status: 503,
    error: 'Service Unavailable',
    say: 'Unavailable for the moment: retry with back-off',
    headers: { 'Retry-After': '5' },
  },
} as const satisfies Record<string, DoorRefusalRow>;

export type DoorRefusalName = keyof typeof DOOR_REFUSALS;

/** What is wrong with one field of the input. */
export interface FieldProblem {
  /** Its path, e.g. `site`; empty: the document as a whole. */
  readonly field: string;
  readonly message: string;
}

export interface DoorRefused {
  readonly kind: 'refused';
  readonly refusal: DoorRefusalName;
  readonly fields?: readonly FieldProblem[];
}

export function doorRefused(
  refusal: DoorRefusalName,
  fields?: readonly FieldProblem[],
): DoorRefused {
  return fields === undefined ? { kind: 'refused', refusal } : { kind: 'refused', refusal, fields };
}

/** The JSON body of a refusal. */
export interface RefusalBody {
  readonly code: number;
  readonly error: string;
  readonly message: string;
  readonly fields?: readonly FieldProblem[];
}

export function refusalBodyOf({ refusal, fields }: DoorRefused): RefusalBody {
  const { status, error, say } = DOOR_REFUSALS[refusal];
  if (fields === undefined) return { code: status, error, message: say };
  const named = fields.map(({ field, message }) => (field ? `${field}: ${message}` : message));
  return { code: status, error, message: `${say}: ${named.join('; ')}`, fields };
}
