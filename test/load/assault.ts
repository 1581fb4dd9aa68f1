/** Ends what the plan says when it says so, and starts it again as an orchestrator would. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Engine } from './engine.js';
import { partsOf, type Fault, type Happened } from './faults.js';

/** Between the death of a process and its next start: what a supervisor takes to notice. */
const NOTICE_MS = 1_000;
const STARTS_MAX = 3;
/** Between two parts of a roll. */
const BREATH_MS = 500;

export interface AssaultParts {
  readonly engine: Engine;
  /** Seconds since the load began. */
  readonly seconds: () => number;
  /** Told before something is ended and when it is back. */
  readonly onChange: (happened: Happened, isBack: boolean) => void;
}

export class Assault {
  readonly happened: Happened[] = [];
  private readonly killed = new Set<string>();

  constructor(private readonly parts: AssaultParts) {}

  /** Resolves when all that was ended is ready again, or has failed to be. */
  async run(faults: readonly Fault[]): Promise<void> {
    await Promise.all(
      faults.map(async (fault) => {
        const waitMs = (fault.atSeconds - this.parts.seconds()) * 1_000;
        await pause(Math.max(0, waitMs));
        const names = partsOf(fault, this.parts.engine.parts, this.killed);
        for (const name of names) this.killed.add(name);
        for (const [i, name] of names.entries()) {
          if (i > 0) await pause(BREATH_MS);
          await (fault.how === 'kill' ? this.kill(name) : this.roll(name));
        }
      }),
    );
  }

  private async kill(part: string): Promise<void> {
    const { engine } = this.parts;
    await this.witness({ part, how: 'kill', atSeconds: this.parts.seconds() }, async () => {
      await engine.kill(part);
      await pause(NOTICE_MS);
      await this.startAgain(part);
      return {};
    });
  }

  private async roll(part: string): Promise<void> {
    const { engine } = this.parts;
    await this.witness({ part, how: 'roll', atSeconds: this.parts.seconds() }, async () => {
      const exitCode = await engine.stop(part);
      await this.startAgain(part);
      return { exitCode };
    });
  }

  /** A service that ends at its start, because the machine is too busy for its stores, is started once more. */
  private async startAgain(part: string): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.parts.engine.start(part);
      } catch (error) {
        if (tries === STARTS_MAX) throw error;
        await pause(NOTICE_MS);
      }
    }
  }

  private async witness(begun: Happened, act: () => Promise<Partial<Happened>>): Promise<void> {
    const { seconds, onChange } = this.parts;
    onChange(begun, false);
    const at = this.happened.push(begun) - 1;
    try {
      const more = await act();
      this.happened[at] = { ...begun, ...more, readyAtSeconds: seconds() };
    } catch (error) {
      this.happened[at] = { ...begun, problem: String(error).slice(0, 400).replaceAll('\n', ' ') };
    }
    onChange(this.happened[at], true);
  }
}
