/** What the processes of a load run say to each other. Times are milliseconds of the machine's monotonic clock. */
import type { SparseHistogram } from './histogram.js';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The clock that all processes of a machine share. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

/** A second of what devices saw. */
export interface DeviceSecond {
  readonly kind: 'devices';
  readonly second: number;
  /** For the first time. */
  readonly received: number;
  /** Over a later connection, because the ack of the first was lost. */
  readonly again: number;
  /** Connections that ended, by close code; 0: without one. */
  readonly closes: Readonly<Record<string, number>>;
  /** Attempts to come back that failed, by what went wrong. */
  readonly failures: Readonly<Record<string, number>>;
  readonly connected: number;
  /** From the POST to the frame. */
  readonly frameMs: SparseHistogram;
}

/** A second of what senders saw. */
export interface SenderSecond {
  readonly kind: 'senders';
  readonly second: number;
  readonly sent: number;
  /** By status; 0: no answer. */
  readonly answers: Readonly<Record<string, number>>;
  /** 503 that do not say when to come again. */
  readonly curt: number;
  /** That should have gone out and did not, since all connections were waiting. */
  readonly skipped: number;
  readonly answerMs: SparseHistogram;
}

export type Second = DeviceSecond | SenderSecond;

export interface ConnectOrder {
  /** Number of the first device; the others follow. */
  readonly from: number;
  readonly count: number;
  readonly gateways: readonly Address[];
  readonly sourceAddress?: string;
  readonly backAfterMs: number;
}

export interface SendOrder {
  /** Which of the sender processes this is: numbers are told apart by it. */
  readonly process: number;
  readonly processes: number;
  readonly ingests: readonly Address[];
  /** Number of a device and its endpoint. */
  readonly endpoints: readonly (readonly [device: number, endpoint: string])[];
  readonly perSecond: number;
  readonly connections: number;
  readonly bytes: number;
}

export interface Orders {
  /** Connects, greets and registers; answers with the endpoints. */
  connect(order: ConnectOrder): Promise<readonly (readonly [number, string])[]>;
  /** From now on a second is counted from there. */
  begin(order: { readonly zeroMs: number }): Promise<void>;
  /** Where services listen now. */
  addresses(order: readonly Address[]): Promise<void>;
  received(): Promise<Received>;
  leave(): Promise<void>;
  prepare(order: SendOrder): Promise<void>;
  /** Sends nothing more; resolves when the last answer is there. */
  stop(): Promise<Sent>;
}

/** What devices got so far. */
export interface Received {
  /** A {@link NumberSet}. */
  readonly numbers: string;
  readonly connected: number;
  /** Of those, which came behind a later one on the same connection: wrong if they were accepted. */
  readonly behind: readonly number[];
  readonly twice: readonly number[];
  /** Numbers of devices that were given another id. */
  readonly renamed: readonly number[];
  readonly misdirected: number;
  /** How many came back in each second. */
  readonly returns: Readonly<Record<string, number>>;
}

export interface Sent {
  /** A {@link NumberSet}: answered 201. */
  readonly accepted: string;
  /** A {@link NumberSet}: answered 503 or not at all, so nobody knows. */
  readonly unsure: string;
}

export type ToChild = { readonly id: number; readonly name: keyof Orders; readonly order: unknown };
export type FromChild =
  { readonly id: number; readonly answer?: unknown; readonly error?: string } | Second;
