/** The load test itself: what it refuses, what it counts, when it says no, and a small load in which a gateway dies. */
import { describe, expect, test } from 'vitest';
import type { Engine } from './load/engine.js';
import { TargetEngine } from './load/engine-target.js';
import { accountsOf } from './load/accounts.js';
import { partsOf } from './load/faults.js';
import { Histogram } from './load/histogram.js';
import { NumberSet } from './load/number-set.js';
import { HELP, readOptions, type Plan } from './load/options.js';
import { pageOf } from './load/page.js';
import { sharesOf } from './load/shares.js';
import { smallLoad } from './load/small-load.js';
import { readStamp, writeStamp } from './load/stamp.js';
import { tableOf } from './load/table.js';
import { verdictOf, type Account } from './load/verdict.js';
import { requires } from './support/machine.js';

function problemsOf(...args: readonly string[]): string {
  const told = readOptions(args);
  return told.kind === 'refused' ? told.problems.join('\n') : told.kind;
}

function planOf(...args: readonly string[]): Plan {
  const told = readOptions(args);
  if (told.kind !== 'plan') throw new Error(problemsOf(...args));
  return told.plan;
}

describe('the options', () => {
  test('make a plan', () => {
    const words = '--devices 10000 --rate 2000 --duration 60 --kill gateway@30 --kill router-1@20';
    expect(planOf(...words.split(' '), '--roll', 'all@40', '--gateways=5')).toMatchObject({
      ...{ devices: 10_000, rate: 2_000, durationSeconds: 60, gateways: 5 },
      faults: [
        { how: 'kill', role: 'gateway', atSeconds: 30 },
        { how: 'kill', role: 'router', index: 1, atSeconds: 20 },
        { how: 'roll', role: 'all', atSeconds: 40 },
      ],
    });
  });

  test('all have a line in --help', () => {
    expect(readOptions(['--help'])).toEqual({ kind: 'help' });
    for (const name of ['devices', 'kill', 'roll', 'engine', 'target', 'i-own-this', 'out']) {
      expect(HELP).toMatch(new RegExp(`^  --${name}\\b.* \\S`, 'm'));
    }
  });

  test.each([
    [['--devics', '3'], /--devics is no option; --devices is one/],
    [['--devices', '-3'], /--devices -3: a whole number from 1 to 500,000/],
    [['--devices', '1e4'], /--devices 1e4: a whole number/],
    [['--rate', '0'], /--rate 0: a whole number from 1/],
    [['--rate'], /--rate needs a value/],
    [['--rate', '--devices', '3'], /--rate needs a value/],
    [['--rate', '5', '--rate', '6'], /--rate is given 2 times/],
    [
      ['--duration', '3600', '--rate', '100000'],
      /360,000,000 notifications; 20,000,000 is the most/,
    ],
    [['--kill', 'gateway'], /--kill gateway: <what>@<second>, such as gateway@30/],
    [['--kill', 'broker@3'], /--kill broker@3: .*one of registration, router, .*kafka, redis/],
    [['--kill', 'gateway@30'], /the load ends after 30 s \(--duration\)/],
    [['--kill', 'gateway-7@3'], /there are 3 of them, gateway-0 to gateway-2/],
    [['--roll', 'kafka@3'], /--roll kafka@3: .*such as all@20/],
    [['--engine', 'vm'], /--engine vm: one of containers, processes, compose/],
    [['fast'], /“fast” belongs to no option/],
    [['--engine', 'compose', '--gateways', '5'], /deploy\/compose\.yaml says how many/],
    [['--target', 'ws://127.0.0.1:1/'], /it takes two addresses/],
    [['--target', 'wss://127.0.0.1:1/', 'https://127.0.0.1:2'], /without TLS/],
    [
      ['--target', 'ws://127.0.0.1:1/', 'http://127.0.0.1:2', '--kill', 'gateway@3'],
      /--kill does not go with --target/,
    ],
  ])('%j is refused with a sentence', (args, sentence) => {
    expect(problemsOf(...args)).toMatch(sentence);
  });

  test('are refused all at once', () => {
    expect(problemsOf('--rate', 'x', '--devices', 'y', 'z').split('\n')).toHaveLength(3);
  });
});

describe('a target', () => {
  const at = (gateway: string, isOwn = false, own: readonly string[] = []) =>
    TargetEngine.at({ target: { gateway, ingest: 'http://127.0.0.1:2' }, isOwn }, () =>
      Promise.resolve(new Set(own)),
    );

  test('that is not of this machine is refused, unless its owner says so', async () => {
    await expect(at('ws://192.0.2.1:80/')).rejects.toThrow(
      /ws:\/\/192\.0\.2\.1:80\/ is neither loopback nor a container .* --i-own-this/,
    );
    expect((await at('ws://192.0.2.1:80/', true)).gateways()).toEqual([
      { host: '192.0.2.1', port: 80 },
    ]);
  });

  test('may be loopback or a container of this machine', async () => {
    expect((await at('ws://localhost:81/')).gateways()[0]?.host).toMatch(/^(127\.0\.0\.1|::1)$/);
    expect((await at('ws://192.0.2.1:80/', false, ['192.0.2.1'])).gateways()[0]?.port).toBe(80);
    await expect(at('ws://127.0.0.1.example.invalid/')).rejects.toThrow(/stands for no address/);
  });

  test('is neither measured nor ended', async () => {
    const engine: Engine = await at('ws://127.0.0.1:1/');
    expect(engine.parts).toEqual([]);
    await expect(engine.kill('gateway-0')).rejects.toThrow(/not ended here/);
  });
});

describe('the devices are shared out', () => {
  const share = (devices: number, descriptors: number, gateways?: number) =>
    sharesOf(devices, { descriptors, cores: 2, isLoopback: true, ...(gateways && { gateways }) });

  test('to one process when they are few', () => {
    expect(share(1_000, 20_000)).toEqual({ devices: [{ from: 0, count: 1_000 }] });
  });

  test.each([
    [20_000, undefined],
    [20_001, '127.0.0.2'],
  ])('%i of them from the address %s: one address has ports for 20,000', (devices, address) => {
    const shares = share(devices, 50_000);
    if (typeof shares === 'string') throw new Error(shares);
    expect(shares.devices[0]?.sourceAddress).toBe(address);
    expect(shares.devices.length).toBeGreaterThan(1);
  });

  test('to more than the file descriptors of one allow, each with an address of its own', () => {
    const shares = share(60_001, 20_000, 5);
    if (typeof shares === 'string') throw new Error(shares);
    expect(shares.devices.reduce((sum, { count }) => sum + count, 0)).toBe(60_001);
    expect(shares.devices.map(({ sourceAddress }) => sourceAddress)).toEqual([
      '127.0.0.2',
      '127.0.0.3',
      '127.0.0.4',
      '127.0.0.5',
      '127.0.0.6',
    ]);
    expect(shares.says).toMatch(/\(20,000 file descriptors\): 5 processes hold 12,001 each/);
  });

  test('not when the load balancer could not hold them', () => {
    expect(share(12_000, 20_000, 0.5)).toMatch(/two file descriptors .* Give --devices 9750/);
  });

  test('not when the gateways could not hold them', () => {
    expect(share(9_000, 1_024, 3)).toMatch(
      /1,024 file descriptors here, so 3 gateways hold 1,572 of them\. Give --gateways 18/,
    );
  });
});

describe('the verdict', () => {
  const clean: Account = {
    ...{
      accepted: 1_000,
      received: 1_000,
      missing: [],
      unsure: 0,
      answers: { 201: 1_000 },
      curt: 0,
    },
    ...{ behind: 0, twice: 0, renamed: 0, misdirected: 0, devices: 10, connected: 10 },
    cluster: { accepted: 1_000, pending: 0, outcomes: { delivered: 1_000 }, unaccounted: 0 },
    ...{ isForeign: false, countsAnew: false, happened: [] },
  };
  const no = (wrong: Partial<Account>): string => {
    const { addsUp, findings } = verdictOf({ ...clean, ...wrong });
    const bad = findings.filter(({ isGood }) => !isGood).map(({ says }) => says);
    expect(addsUp).toBe(bad.length === 0);
    return bad.join('; ');
  };

  test('is yes when everything accepted was delivered', () => {
    expect(no({})).toBe('');
  });

  test('is no for a lost one, and names it', () => {
    expect(no({ received: 999, missing: [4_711] })).toMatch(/1 of 1,000 accepted are lost .*4711/);
  });

  test('is yes for one that waits or has another outcome, and no for one more', () => {
    const cluster = {
      accepted: 1_000,
      pending: 1,
      outcomes: { delivered: 998, dropped: 1 },
      unaccounted: 0,
    };
    expect(no({ received: 998, missing: [1, 2], cluster })).toBe('');
    expect(no({ received: 997, missing: [1, 2, 3], cluster })).toMatch(
      /1 of 1,000 accepted are lost/,
    );
  });

  test.each<[string, Partial<Account>, RegExp]>([
    ['nothing was accepted', { accepted: 0, received: 0 }, /0 accepted/],
    ['one came behind a later one', { behind: 1 }, /1 came behind/],
    ['one came twice on a connection', { twice: 1 }, /1 came twice/],
    ['a device lost its id', { renamed: 1 }, /1 devices lost their id/],
    ['a device got what was another’s', { misdirected: 1 }, /1 notifications came to a wrong/],
    ['a sender was told 500', { answers: { 201: 1_000, 500: 2 } }, /2 × 500/],
    ['a sender was told 410', { answers: { 201: 1_000, 410: 1 } }, /1 × 410/],
    ['a 503 does not say when', { answers: { 503: 3 }, curt: 1 }, /503 without Retry-After/],
    ['a device did not come back', { connected: 9 }, /9 of 10 devices/],
    [
      'a service did not come back',
      { happened: [{ part: 'router-0', how: 'kill', atSeconds: 3, problem: 'not ready' }] },
      /router-0 did not come back: not ready/,
    ],
    [
      'a service did not end by itself',
      { happened: [{ part: 'x', how: 'roll', atSeconds: 3, readyAtSeconds: 5, exitCode: null }] },
      /x ended on SIGTERM with a SIGKILL/,
    ],
    ['all came back at once', { return: { busiest: 900, most: 750 } }, /busiest second 900/],
  ])('is no when %s', (_, wrong, sentence) => {
    expect(no(wrong)).toMatch(sentence);
  });

  test('is no when the cluster’s accounts do not add up, or are not those of the senders', () => {
    const cluster = clean.cluster!;
    expect(no({ cluster: { ...cluster, unaccounted: 1 } })).toMatch(/1 that nobody accounts for/);
    expect(no({ cluster: { ...cluster, accepted: 999 } })).toMatch(/1 fewer than the senders/);
    expect(no({ cluster: { ...cluster, accepted: 1_001 } })).toMatch(/1 more than the senders/);
    expect(no({ cluster: { ...cluster, accepted: 1_001 }, unsure: 1 })).toBe('');
    expect(no({ cluster: { ...cluster, accepted: 5 }, countsAnew: true })).toBe('');
    const untold: Account = { ...clean, cluster: undefined };
    expect(verdictOf(untold).addsUp).toBe(false);
    expect(verdictOf({ ...untold, isForeign: true }).addsUp).toBe(true);
  });
});

test('the accounts of a cluster are the sum over partitions, each told once', () => {
  const scrape = (partition: number, pending: number): string =>
    [
      '# TYPE heliograph_accepted_total counter',
      `heliograph_accepted_total{partition="${partition}"} 10`,
      `heliograph_pending{partition="${partition}"} ${pending}`,
      `heliograph_outcomes_total{partition="${partition}",outcome="delivered"} 7`,
      `heliograph_outcomes_total{partition="${partition}",outcome="expired"} 1`,
      'heliograph_router_lag 3',
    ].join('\n');
  // The second router has just taken partition 0 over, and the first still tells of it.
  expect(accountsOf([`${scrape(0, 2)}\n${scrape(1, 2)}`, scrape(0, 2)])).toEqual({
    ...{ accepted: 20, pending: 4, outcomes: { delivered: 14, expired: 2 }, unaccounted: 0 },
  });
  expect(accountsOf([scrape(0, 1)]).unaccounted).toBe(1);
});

test('a fault meets the one that it names, the next that was not killed yet, or all in the order of a roll', () => {
  const roles = ['gateway', 'router', 'registration', 'ingest', 'kafka'] as const;
  const parts = roles.flatMap((role) => [0, 1].map((i) => ({ name: `${role}-${i}`, role })));
  const kill = { how: 'kill', role: 'gateway', atSeconds: 3 } as const;
  expect(partsOf(kill, parts)).toEqual(['gateway-0']);
  expect(partsOf(kill, parts, new Set(['gateway-0']))).toEqual(['gateway-1']);
  expect(partsOf({ ...kill, index: 1 }, parts)).toEqual(['gateway-1']);
  expect(partsOf({ how: 'roll', role: 'all', atSeconds: 3 }, parts)).toEqual(
    ['registration', 'router', 'ingest', 'gateway'].flatMap((role) => [`${role}-0`, `${role}-1`]),
  );
});

test('latencies of many processes add up to the same percentiles, to 6 %', () => {
  const whole = new Histogram();
  const parts = [new Histogram(), new Histogram()];
  for (let ms = 1; ms <= 1_000; ms++) {
    whole.note(ms);
    parts[ms % 2]!.note(ms);
  }
  const sum = Histogram.of(parts[0]!.sparse());
  sum.add(parts[1]!.sparse());
  for (const share of [0.01, 0.5, 0.99, 1]) {
    expect(sum.quantile(share)).toBe(whole.quantile(share));
    expect(sum.quantile(share)! / (share * 1_000)).toBeGreaterThanOrEqual(1);
    expect(sum.quantile(share)! / (share * 1_000)).toBeLessThan(1.0601);
  }
  expect(new Histogram().quantile(0.5)).toBeUndefined();
});

test('a set of numbers survives its way between processes', () => {
  const [accepted, received] = [new NumberSet(), new NumberSet()];
  for (let i = 0; i < 50_000; i += 7) accepted.add(i);
  for (let i = 0; i < 40_000; i += 7) received.add(i);
  const there = NumberSet.parse(String(accepted));
  expect(there.size).toBe(Math.ceil(50_000 / 7));
  received.unite(NumberSet.parse(String(received)));
  expect(there.without(received)).toEqual(
    Array.from({ length: there.size }, (_, i) => i * 7).filter((number) => number >= 40_000),
  );
  expect(received.without(there)).toEqual([]);
});

test('what a body begins with is read back from its frame', () => {
  const body = Buffer.alloc(24, 0xff);
  const stamp = { number: 4_000_000_000, device: 17, sentMs: 1_234_567.25 };
  writeStamp(body, 0, stamp);
  const frame = Buffer.from(
    `{"messageType":"notification","data":"${body.toString('base64url')}"}`,
  );
  expect(readStamp(frame)).toEqual(stamp);
  expect(readStamp(Buffer.from('{"messageType":"notification"}'))).toBeUndefined();
});

function titlesIn(section = ''): readonly string[] {
  return [...section.matchAll(/<figcaption><h3>(.*?)<\/h3>/g)].map(([, title = '']) => title);
}

requires('kafka', 'redis')(
  'a small load with a killed gateway ends with a clean verdict, a table and a page',
  async () => {
    const { result, report, steps } = await smallLoad(
      '--devices 120 --rate 150 --duration 6 --gateways 2 --ingests 1 --routers 1 --kill gateway@2 --back-after 1',
    );
    expect(result.verdict.findings.filter(({ isGood }) => !isGood)).toEqual([]);
    expect(result.account.accepted).toBeGreaterThan(300);
    expect(report.summary.returned).toBeGreaterThan(0);
    expect(steps).toEqual(['gateway-0 ends', 'gateway-0 is back']);
    // At second 2, or when a busy machine came round to it; the table says when that was.
    const { atSeconds = 0 } = result.happened[0] ?? {};
    expect(atSeconds).toBeGreaterThan(1.9);
    const killed = `gateway-0 +SIGKILL at ${atSeconds.toFixed(0)} s`;
    expect(tableOf(report)).toMatch(new RegExp(`${killed}[\\s\\S]*The accounts add up: yes$`));
    expect(report.parts.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['kafka', 'redis', 'gateway-0', 'router-0']),
    );
    const page = pageOf(report);
    const [, delivery, connections, cpu, memory] = page.split(/<h2>/);
    expect(titlesIn(delivery)).toEqual(
      expect.arrayContaining([
        ...['Rate', 'From POST to the device', 'From POST to 201', 'Latency by percentile'],
      ]),
    );
    expect(titlesIn(connections)).toEqual([
      'Connected devices',
      'Devices that came back, per second',
    ]);
    const roles = [
      'Gateway',
      'Ingest',
      'Router',
      'Registration',
      'Kafka',
      'Redis',
      'The load itself',
    ];
    for (const section of [cpu, memory])
      expect(titlesIn(section).toSorted()).toEqual(roles.toSorted());
    const overTime = page
      .match(/<figure[\s\S]*?<\/figure>/g)
      ?.filter((one) => !one.includes('by percentile'));
    const marked = overTime?.filter((one) => one.includes('gateway-0: SIGKILL at'));
    expect(marked).toEqual(overTime);
    expect(page).not.toMatch(/\b(src|href)=|https?:|@import|url\(/);
  },
  180_000,
);
