/** The load process beside what is measured. */
import { fork, type ChildProcess } from 'node:child_process';
import type { Addresses, CommandName } from './load.js';

const LOAD_MAIN = 'dist/test/bench/load.js';

export class LoadProcess {
  private readonly child: ChildProcess;

  constructor() {
    this.child = fork(LOAD_MAIN, { execArgv: ['--max-old-space-size=4096'] });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  end(): void {
    this.child.kill('SIGKILL');
  }

  /** Has it do one command; rejects with what it says went wrong. */
  order<Result>(name: CommandName, at: Addresses, plan: object): Promise<Result> {
    return new Promise((resolve, reject) => {
      const onExit = (): void => reject(new Error('the load process ended'));
      this.child.once('exit', onExit);
      this.child.once('message', (answer: { result?: Result; error?: string }) => {
        this.child.off('exit', onExit);
        if (answer.error === undefined) resolve(answer.result as Result);
        else reject(new Error(answer.error));
      });
      this.child.send({ name, at, plan });
    });
  }
}
