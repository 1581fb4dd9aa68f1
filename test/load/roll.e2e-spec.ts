/** Every service ended by SIGTERM and started again, one after the other, while notifications are sent and received. */
import { expect } from 'vitest';
import { requires } from '../support/machine.js';
import { smallLoad } from './small-load.js';

const DEVICES = 1_500;

requires('kafka', 'redis')(
  'a roll of every service loses nothing, answers nothing but 201 and 503, and spreads the devices that come back',
  async () => {
    const { result, steps } = await smallLoad(
      `--devices ${DEVICES} --rate 100 --duration 4 --gateways 2 --ingests 2 --routers 1 ` +
        '--roll all@1 --drain-seconds 3 --back-after 1',
    );
    const { verdict, happened, account } = result;
    expect(verdict.findings.filter(({ isGood }) => !isGood)).toEqual([]);
    const parts = ['registration-0', 'router-0', 'ingest-0', 'ingest-1', 'gateway-0', 'gateway-1'];
    expect(steps).toEqual(parts.flatMap((part) => [`${part} ends`, `${part} is back`]));
    expect(happened.map(({ exitCode }) => exitCode)).toEqual(parts.map(() => 0));
    expect(Object.keys(account.answers).filter((status) => !/^(201|503|0)$/.test(status))).toEqual(
      [],
    );
    // Every device was closed at least once. A gateway closes 500 in a second, or as many as DRAIN_SECONDS asks for if
    // those are more (1,500 in 3 s: 500 as well); half as many again for timers that run late.
    const returns = Object.values(result.returns);
    expect(returns.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(DEVICES);
    expect(Math.max(...returns)).toBeLessThanOrEqual(750);
  },
  240_000,
);
