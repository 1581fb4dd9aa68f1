/**
 * As when a new version comes to the cluster of `deploy/compose.yaml`: every service of ours is ended by SIGTERM and
 * started again, one after the other, behind the load balancer and under load. (There is one Kafka, one Redis and one
 * load balancer: what becomes of notifications when they end is in `compose.e2e-spec.ts`.)
 */
import { expect } from 'vitest';
import { COMPOSE_FILE } from './support/compose.js';
import { readIn } from './support/chart.js';
import { requires } from './support/machine.js';
import { readYaml } from './support/yaml.js';
import { ROLLED } from './load/faults.js';
import { pageOf } from './load/page.js';
import { smallLoad } from './load/small-load.js';

const DEVICES = 1_500;
/** What a gateway closes in a second, and half as many again for timers that run late. */
const RETURNS_MAX = 750;

/** For the figures of the README. */
const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** In the order of a roll. */
function servicesOfOurs(): readonly string[] {
  const [file] = readYaml<{ services: Record<string, { command?: readonly string[] }> }>(
    readIn('', COMPOSE_FILE),
  );
  const all = Object.entries(file?.services ?? {});
  return ROLLED.flatMap((role) =>
    all.filter(([, { command }]) => command?.[0] === role).map(([name]) => name),
  );
}

requires('docker')(
  'a roll of the compose cluster loses nothing, answers every sender, and brings devices back few at a time',
  async () => {
    const { result, report, steps } = await smallLoad(
      `--engine compose --devices ${DEVICES} --rate 100 --duration 5 --roll all@2 --drain-seconds 3`,
    );
    const { verdict, happened, account } = result;
    const services = servicesOfOurs();
    expect(services).toHaveLength(8);
    expect(steps).toEqual(services.flatMap((name) => [`${name} ends`, `${name} is back`]));
    expect(happened.map(({ exitCode }) => exitCode)).toEqual(services.map(() => 0));
    expect(verdict.findings.filter(({ isGood }) => !isGood)).toEqual([]);
    // On a busy machine 503 may be Kafka's or Redis's, and says when to come again. No answer is never right.
    const { 201: accepted = 0, 503: unavailable = 0, ...others } = account.answers;
    expect(others).toEqual({});
    expect(accepted).toBeGreaterThan(unavailable);
    expect(account).toMatchObject({ curt: 0, missing: [] });
    // Of the whole run: some come back when the last second of the load is over.
    const returns = Object.values(result.returns);
    say(
      `a roll: ${result.sentForSeconds.toFixed(0)} s, ${accepted} accepted, ${unavailable} refused with Retry-After, ` +
        `${Math.max(...returns)} of ${DEVICES} devices back in the busiest second`,
    );
    expect(returns.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(DEVICES);
    expect(Math.max(...returns)).toBeLessThanOrEqual(RETURNS_MAX);
    expect(pageOf(report)).toContain('Devices that came back, per second');
  },
  420_000,
);
