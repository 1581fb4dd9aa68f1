/** The cluster under load: what is driven, measured, and ended. */
import type { Accounts } from '../support/standalone.js';
import type { FaultRole } from './faults.js';
import type { Address } from './messages.js';

export interface Part {
  /** As faults name it: `gateway-0`, `kafka`. */
  readonly name: string;
  readonly role: FaultRole;
}

/** Since its start; a part that was started again begins with nothing. */
export interface Use {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

export abstract class Engine {
  /** In a sentence: what runs the cluster. */
  abstract readonly says: string;
  /** Empty: it is not ours to measure or to end. */
  abstract readonly parts: readonly Part[];
  /** Of the listening ports as they are now, in order of the parts. */
  abstract gateways(): readonly Address[];
  abstract ingests(): readonly Address[];
  /** SIGKILL; resolves when it is gone. */
  abstract kill(part: string): Promise<void>;
  /** SIGTERM; resolves with the exit code when it has ended by itself. */
  abstract stop(part: string): Promise<number | null>;
  /** Starts it again; resolves when it is ready. */
  abstract start(part: string): Promise<void>;
  /** Of the parts that run, as far as this machine tells. */
  abstract use(): Promise<ReadonlyMap<string, Use>>;
  /** The sum over all partitions; undefined: nobody tells. */
  abstract accounts(): Promise<Accounts | undefined>;
  /** What the parts said lately, for when something fails. */
  abstract said(): Promise<string>;
  /** Ends what was started. */
  abstract dispose(): Promise<void>;
}

/** What a cluster of ours is started with besides what its engine needs. */
export interface EngineSettings {
  readonly gateways: number;
  readonly ingests: number;
  readonly routers: number;
  readonly env: Readonly<Record<string, string>>;
  /** For containers. */
  readonly image?: string;
  /** Told of each step of the start. */
  readonly onStep: (step: string) => void;
}
