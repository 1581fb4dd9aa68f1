/**
 * The rules of the house as data: each is a sentence, which also stands in the README, and a function that
 * names the offences of one source. `test/architecture.spec.ts` runs them, over the tree and over planted offences.
 */
import { dirname, posix } from 'node:path';
import type { Source } from './sources.js';

export interface HouseRule {
  readonly sentence: string;
  /** What is wrong with this source; falsy entries are no offences. */
  readonly offences: (source: Source) => readonly (string | false | undefined)[];
}

const LINES_MAX = 300;
const COLUMNS_MAX = 120;

/** What each lib may import from its siblings. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  webpush: [],
  wire: ['webpush'],
  client: ['wire'],
  runtime: ['webpush'],
  streams: ['webpush', 'runtime'],
  view: ['webpush', 'runtime'],
  outcomes: ['webpush', 'runtime', 'streams', 'view'],
  subscriptions: ['webpush', 'runtime', 'streams', 'view'],
  cluster: ['webpush', 'runtime', 'streams', 'view', 'outcomes', 'subscriptions'],
};
/** A driver may be imported only by files that carry its suffix. */
const DRIVERS: Record<string, string> = {
  kafkajs: '.kafka.ts',
  ioredis: '.redis.ts',
  'uWebSockets.js': '.uws.ts',
  'node:sqlite': '.embedded.ts',
};
const FRAMEWORK_FREE = ['webpush', 'wire', 'client'];
const PURE = ['webpush', 'wire'];
const SPEAKS_WIRE = /^(libs\/(wire|client)|apps\/gateway)\//;
const CLOCK_OR_DICE =
  /\bDate\.now\(|new Date\(\)|performance\.now\(|Math\.random\(|randomBytes|randomUUID|getRandomValues/;
const NOT_PLAIN_NEST =
  /@Inject\(\s*['"`]|@Global\(|\bforwardRef\(|\bforRootAsync\(|Scope\.(REQUEST|TRANSIENT)|@MessagePattern\(|@WebSocketGateway\(/;

export const HOUSE_RULES: readonly HouseRule[] = [
  {
    sentence: 'Libs import only the libs below them, and by alias',
    offences: (s) => s.imports.map((name) => isForeignLib(s, name) && `imports ${name}`),
  },
  {
    sentence: 'Apps do not import apps; standalone imports their modules only',
    offences: (s) =>
      s.imports.map((name) => {
        const [area, app] = (target(s, name) ?? '').split('/');
        const isModule = s.unit === 'standalone' && name.endsWith('.module.js');
        return (
          s.area === 'apps' && area === 'apps' && app !== s.unit && !isModule && `imports ${name}`
        );
      }),
  },
  {
    sentence: 'Drivers stay behind their suffix',
    offences: (s) =>
      s.imports.map((name) => {
        const suffix = DRIVERS[name];
        return !!suffix && !s.isTest && !s.path.endsWith(suffix) && `imports ${name}`;
      }),
  },
  {
    sentence:
      'Adapters are imported by their own alias, in modules and mains only (their types anywhere)',
    offences: (s) => {
      const mayWire = s.isTest || /(\.module|\/main)\.ts$/.test(s.path);
      return valuesFrom(s).map(
        (name) => /^#\w+\.(embedded|redis|kafka)$/.test(name) && !mayWire && `imports ${name}`,
      );
    },
  },
  {
    sentence: 'An index exports ports and domain types, never an adapter or a contract',
    offences: (s) =>
      s.path.endsWith('/index.ts')
        ? s.imports.map(
            (name) => /\.(embedded|redis|kafka|uws|contract)\.js$/.test(name) && `exports ${name}`,
          )
        : [],
  },
  {
    sentence: 'Siblings are imported by path ending in .js, never through their index (tests may)',
    offences: (s) =>
      s.imports.map((name) => {
        const isThroughIndex = name.endsWith('/index.js') && !s.isTest;
        return (
          name.startsWith('.') && (!name.endsWith('.js') || isThroughIndex) && `imports ${name}`
        );
      }),
  },
  {
    sentence: 'webpush, wire and client know no framework',
    offences: (s) =>
      s.imports.map(
        (name) => isOf(s, FRAMEWORK_FREE) && /^@?nestjs/.test(name) && `imports ${name}`,
      ),
  },
  {
    sentence: 'wire takes only types from webpush',
    offences: (s) => [
      isOf(s, ['wire']) && !s.isTest && valuesFrom(s).includes('#webpush') && 'imports values',
    ],
  },
  {
    sentence: 'wire, client and the demo page run in a browser: nothing of Node but in *.file.ts',
    offences: (s) => {
      const isBrowsers = isOf(s, ['wire', 'client']) || s.path.startsWith('apps/demo/page/');
      const mayUseNode = s.isTest || s.path.endsWith('.file.ts');
      return s.imports.map((name) => {
        const isForeign = !/^(\.|#wire$|#client$|#webpush$)/.test(name);
        return isBrowsers && !mayUseNode && isForeign && `imports ${name}`;
      });
    },
  },
  {
    sentence: 'webpush and wire take time and chance as arguments',
    offences: (s) => [
      isOf(s, PURE) &&
        !s.isTest &&
        CLOCK_OR_DICE.test(withoutStrings(s.code)) &&
        'reads the clock or rolls dice',
    ],
  },
  {
    sentence: 'The environment is read in main.ts only',
    offences: (s) => [
      s.area !== 'test' &&
        /process\.env/.test(s.code) &&
        !s.path.endsWith('/main.ts') &&
        'reads process.env',
    ],
  },
  {
    sentence: 'uaid and channelID appear only in libs/wire, libs/client and apps/gateway',
    offences: (s) => [
      !s.isTest &&
        !s.path.startsWith('apps/demo/page/') &&
        !SPEAKS_WIRE.test(s.path) &&
        /uaid|channelID/i.test(s.code) &&
        'speaks the words of the wire',
    ],
  },
  {
    sentence:
      'Nest is kept plain: no string tokens, globals, forward references, request scope or message patterns',
    offences: (s) => [NOT_PLAIN_NEST.test(s.code) && `has ${NOT_PLAIN_NEST.exec(s.code)?.[0]}`],
  },
  {
    sentence: 'No any, no enum, no default export',
    offences: (s) => [
      /[:<,(|]\s*any\b(?!['"`])|\bas any\b/.test(withoutStrings(s.code)) && 'uses any',
      /\benum\s+\w+\s*\{/.test(withoutStrings(s.code)) && 'has an enum',
      /\bexport default\b/.test(withoutStrings(s.code)) && 'has a default export',
    ],
  },
  {
    sentence:
      'Names say what a thing is: no utils, helpers, common or shared; no Service, Manager or Helper',
    offences: (s) => [
      /\/(utils?|helpers?|common|shared|misc|core)(\.ts|\/)/.test(s.path) && 'has a bucket name',
      !s.isTest &&
        /\bclass \w+(Service|Manager|Helper|Utils?)\b(?! extends Error)/.exec(s.code)?.[0],
    ],
  },
  {
    sentence: `Files stay under ${LINES_MAX} lines, and lines under ${COLUMNS_MAX} columns (the formatter keeps code within 100)`,
    offences: (s) => [
      !s.isTest && s.text.split('\n').length > LINES_MAX && 'is too long',
      ...s.text.split('\n').map((line, i) => isTooLong(line) && `line ${i + 1} is too long`),
    ],
  },
  {
    sentence: 'No test is skipped or runs alone, and no name of one says should',
    offences: (s) => [
      s.isTest &&
        s.path !== 'test/support/machine.ts' &&
        /\b(test|it|describe)\.(skip|only|todo|skipIf|runIf|fails)\b/.exec(
          withoutStrings(s.code),
        )?.[0],
      s.isTest && /\b(test|it|describe)\([`'"](\w+ ){0,2}should\b/.exec(s.code)?.[0],
    ],
  },
  {
    sentence: 'Nothing is left to do in a comment: no TODO, no FIXME',
    offences: (s) => [/\b(TODO|FIXME)\b/.exec(s.text)?.[0]],
  },
];

/** The path a relative import points at, without extension; undefined for packages and aliases. */
export function target(source: Source, name: string): string | undefined {
  if (!name.startsWith('.')) return undefined;
  return posix.join(dirname(source.path), name).replace(/\.js$/, '');
}

/** A lib that this source must not know, or one that it reaches by path. */
function isForeignLib(source: Source, name: string): boolean {
  const [area, lib] = (target(source, name) ?? '').split('/');
  if (area === 'libs' && (source.area !== 'libs' || lib !== source.unit)) return true;
  const alias = /^#([\w-]+)/.exec(name)?.[1];
  if (!alias || source.area !== 'libs') return false;
  const isOwnContract = source.isTest && alias === source.unit;
  return !isOwnContract && !MAY_IMPORT[source.unit]?.includes(alias);
}

/** What is imported or re-exported as more than types. */
function valuesFrom(source: Source): readonly string[] {
  const statements = source.code.matchAll(/^(?:import|export) (?!type\b)[^;]*?from '([^']+)'/gm);
  return [...statements].map((match) => match[1] ?? '');
}

function isOf(source: Source, libs: readonly string[]): boolean {
  return source.area === 'libs' && libs.includes(source.unit);
}

/** A string in code, and an address in a comment, may be as long as they are. */
function isTooLong(line: string): boolean {
  const mayBe = /^\s*(\/\/|\/?\*)/.test(line) ? /https?:/ : /['"`]/;
  return [...line].length > COLUMNS_MAX && !mayBe.test(line);
}

function withoutStrings(code: string): string {
  return code.replace(/'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g, "''");
}
