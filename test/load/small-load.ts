/** A load that a test makes: of processes unless it says otherwise, with intervals that fit its length. */
import { ComposeEngine } from './engine-compose.js';
import { ProcessEngine } from './engine-processes.js';
import { readOptions } from './options.js';
import { reportOf, type Report } from './report.js';
import { Run, type LoadResult } from './run.js';
import { sharesOf } from './shares.js';

export interface SmallLoad {
  readonly result: LoadResult;
  readonly report: Report;
  /** What ended and came back, in order. */
  readonly steps: readonly string[];
}

export async function smallLoad(words: string): Promise<SmallLoad> {
  const told = readOptions(words.split(' '));
  if (told.kind !== 'plan') throw new Error(JSON.stringify(told));
  const { plan } = told;
  const { gateways, ingests, routers } = plan;
  const env = {
    ...{ PARTITIONS: '4', DRAIN_SECONDS: String(plan.drainSeconds), LOG_LEVEL: 'error' },
    ...{ RECHECK_INTERVAL_MS: '4000', HELLO_TIMEOUT_MS: '20000' },
  };
  const onStep = (): void => undefined;
  const settings = { gateways, ingests, routers, env, onStep };
  const engine = await (plan.engine === 'compose' ? ComposeEngine : ProcessEngine).start(settings);
  const steps: string[] = [];
  try {
    const shares = sharesOf(plan.devices, { descriptors: 20_000, isLoopback: false });
    if (typeof shares === 'string') throw new Error(shares);
    const result = await new Run(engine, plan, {
      ...{ onStep, onSecond: () => undefined },
      onChange: ({ part }, isBack) => void steps.push(`${part} ${isBack ? 'is back' : 'ends'}`),
    }).run(shares.devices);
    const about = { engine: engine.says, command: 'npm run load', parts: engine.parts };
    return { result, report: reportOf(result, about), steps };
  } finally {
    await engine.dispose();
  }
}
