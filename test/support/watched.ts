import type { ChildProcess } from 'node:child_process';

/** How a process ended, and everything that it said. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Gathers what a process says from now on; `until` resolves when standard output matches, `end` when it is over. */
export class Watched {
  private stdout = '';
  private stderr = '';
  private isOver = false;
  private readonly waiting = new Set<() => void>();
  readonly end: Promise<Finished>;

  constructor(readonly process: ChildProcess) {
    process.stdout?.on('data', (chunk: Buffer) => this.heard(() => (this.stdout += String(chunk))));
    process.stderr?.on('data', (chunk: Buffer) => this.heard(() => (this.stderr += String(chunk))));
    this.end = new Promise((resolve) => {
      process.once('close', (code) => {
        this.heard(() => (this.isOver = true));
        resolve({ code, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  /** Rejects with everything said when the process ends first. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = pattern.exec(this.stdout);
        if (!found && !this.isOver) return;
        this.waiting.delete(look);
        if (found) resolve(found);
        else reject(new Error(`ended before ${pattern}:\n${this.stdout}${this.stderr}`));
      };
      this.waiting.add(look);
      look();
    });
  }

  private heard(note: () => void): void {
    note();
    for (const look of this.waiting) look();
  }
}
