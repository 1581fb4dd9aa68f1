/**
 * The records in `notifications` that have no value: an outcome that is told to the log, and a sender's wish
 * to cancel. What they say stands in headers, so that any Kafka tool shows it. An announcement has the key of its
 * notification, so compaction takes the notification away. A cancel has a key of its own: it decides nothing, and
 * under the same key compaction would take away what is still to be executed, the notification or its announcement
 * (for a fold that has read the one and not yet the other, what was delivered would be deleted).
 */
import { OUTCOMES } from '#webpush';
import type { Announcement, DeviceId, MessageId, Outcome } from '#webpush';
import type { LogRecord, RecordHeaders, StreamRecord } from './record.js';
import { UndecodableRecord } from './undecodable-record.js';

/** What a record of `notifications` without a value says. */
export type OutcomeRecord =
  | { readonly kind: 'outcome'; readonly announcement: Announcement }
  | { readonly kind: 'cancel'; readonly device: DeviceId; readonly id: MessageId };

const DEVICE = /^[0-9a-f]{32}$/;
const DECIMAL = /^(?:0|[1-9][0-9]{0,15})$/;
const ID_BYTES_MAX = 255;
/** No message id begins with it: they begin with the version of their token, which is 1 or more. */
const CANCEL = 0;

/**
 * ```
 * key     = 1*255OCTET                      ; raw message id
 * value   = null
 * headers = "outcome": one of OUTCOMES
 *           "at":      1*16DIGIT            ; ms, the store's clock at the decision
 *           "device":  32HEXDIG             ; lower case
 *           "offset":  1*16DIGIT            ; of the notification that it is about
 * ```
 * Headers name themselves, so there is no version: unknown ones are ignored.
 */
export function encodeAnnouncement(a: Announcement): StreamRecord {
  const headers = {
    outcome: a.outcome,
    at: String(a.at),
    device: a.device,
    offset: String(a.offset),
  };
  return { key: Buffer.from(a.id, 'base64url'), value: null, headers };
}

/**
 * ```
 * key     = %x00 1*255OCTET                 ; raw message id behind an octet that no message id begins with
 * value   = null
 * headers = "cancel": "1"
 *           "device": 32HEXDIG
 * ```
 */
export function encodeCancel(device: DeviceId, id: MessageId): StreamRecord {
  const key = Buffer.concat([Buffer.of(CANCEL), Buffer.from(id, 'base64url')]);
  return { key, value: null, headers: { cancel: '1', device } };
}

/**
 * For a record whose value is null. undefined: a tombstone, which says nothing (no headers of ours).
 * Throws {@link UndecodableRecord}.
 */
export function decodeOutcomeRecord(record: LogRecord): OutcomeRecord | undefined {
  const { headers, key } = record;
  if (record.value !== null) throw new UndecodableRecord('an outcome record has no value');
  if (headers?.outcome === undefined && headers?.cancel === undefined) return undefined;
  const device = deviceIn(headers);
  if (headers.outcome === undefined) {
    if (headers.cancel !== '1') throw new UndecodableRecord(`cancel "${headers.cancel}"`);
    if (key[0] !== CANCEL) throw new UndecodableRecord('a cancel with the key of a message');
    return { kind: 'cancel', device, id: idIn(key.subarray(1)) };
  }
  const id = idIn(key);
  const outcome = headers.outcome as Outcome;
  if (!OUTCOMES.includes(outcome)) throw new UndecodableRecord(`outcome "${outcome}"`);
  const at = numberIn(headers, 'at');
  const offset = numberIn(headers, 'offset');
  return { kind: 'outcome', announcement: { offset, device, id, outcome, at } };
}

function idIn(raw: Buffer): MessageId {
  if (raw.length < 1 || raw.length > ID_BYTES_MAX) {
    throw new UndecodableRecord(`outcome record of a message id of ${raw.length} B`);
  }
  return raw.toString('base64url') as MessageId;
}

function deviceIn(headers: RecordHeaders): DeviceId {
  const device = headers.device ?? '';
  if (!DEVICE.test(device)) throw new UndecodableRecord(`outcome record of device "${device}"`);
  return device as DeviceId;
}

function numberIn(headers: RecordHeaders, name: string): number {
  const digits = headers[name] ?? '';
  const value = Number(digits);
  if (!DECIMAL.test(digits) || !Number.isSafeInteger(value)) {
    throw new UndecodableRecord(`outcome record with ${name} "${digits}"`);
  }
  return value;
}
