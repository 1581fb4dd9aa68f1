/** The parent's side of a process of the load. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ROOT } from '../support/sources.js';
import type { FromChild, Orders, Second } from './messages.js';

const MAIN = join(ROOT, 'dist', 'test', 'load', 'child.js');

export class Driver {
  private readonly waiting = new Map<number, Waiting>();
  private readonly child: ChildProcess;
  private lastId = 0;

  constructor(
    readonly kind: 'devices' | 'senders',
    onSecond: (second: Second) => void,
  ) {
    this.child = fork(MAIN, [kind], { execArgv: ['--max-old-space-size=4096'] });
    this.child.on('message', (message: FromChild) => {
      if ('kind' in message) onSecond(message);
      else this.onAnswer(message);
    });
    this.child.once('exit', (code, signal) => {
      const error = new Error(`the process of the ${kind} ended (${signal ?? code})`);
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Rejects with what the process says went wrong, or when it ends. */
  ask<Name extends keyof Orders>(
    name: Name,
    ...[order]: Parameters<Orders[Name]>
  ): ReturnType<Orders[Name]> {
    const id = ++this.lastId;
    const answer = new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.child.send({ id, name, order: order ?? null }, (error) => error && reject(error));
    });
    return answer as ReturnType<Orders[Name]>;
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }

  private onAnswer(message: Exclude<FromChild, Second>): void {
    const waiting = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.error === undefined) waiting?.resolve(message.answer);
    else waiting?.reject(new Error(message.error));
  }
}

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}
