/**
 * Settings come from environment variables only, and only a `main.ts` reads them (design §7). A reader
 * collects every problem instead of stopping at the first, and remembers what it was asked for: the
 * README's table of settings is compared with that. A variable that is set to nothing counts as not set.
 */
import { accessSync, constants } from 'node:fs';
import { ConfigError } from './start-refused.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** How one setting is asked for. With neither `default` nor `optional` it is required. */
export interface Ask<T> {
  /** One line for the README. */
  readonly doc: string;
  readonly default?: T;
  readonly optional?: boolean;
  /** The default as people read it, where it is computed from other settings. */
  readonly shown?: string;
  /** Its value never appears in a message. */
  readonly secret?: boolean;
}
export type Optional<A> = A & { readonly optional: true };
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** What a reader was asked for: one row of the README's table. */
export interface Setting {
  readonly name: string;
  /** Empty: optional, without a default. Absent: required. */
  readonly default?: string;
  /** What stands in for the default in this process, where that is another. */
  readonly preset?: string;
  /** What it may hold, e.g. `1–65535` or `a URL`. */
  readonly range: string;
  readonly doc: string;
}

interface Kind<T> {
  readonly range: string;
  /** Throws an Error whose message completes "must be …". */
  readonly parse: (text: string) => T;
  /** Stands in for a value that was refused, until `finish` throws. */
  readonly blank: T;
}

export class EnvReader {
  private readonly settings = new Map<string, Setting>();
  private readonly problems = new Set<string>();
  private presets: Environment = {};

  constructor(private readonly env: Environment) {}

  /** Values for what is not set, before the defaults of those who ask: standalone knows what services require. */
  preset(presets: Environment): void {
    this.presets = { ...this.presets, ...presets };
  }

  /** A TCP port; 0 lets the system choose. */
  port(name: string, fallback: number, doc = ''): number {
    return this.integer(name, { default: fallback, min: 0, max: 65_535, doc });
  }

  integer(name: string, ask: Ask<number> & Range): number {
    const range = `${ask.min}–${ask.max}`;
    const parse = (text: string): number => {
      const value = /^-?\d+$/.test(text) ? Number(text) : NaN;
      if (value >= ask.min && value <= ask.max) return value;
      throw new Error(`a whole number, ${range}`);
    };
    return this.read(name, ask, { range, parse, blank: ask.min });
  }

  text(name: string, ask: Optional<Ask<string>>): string | undefined;
  text(name: string, ask: Ask<string>): string;
  text(name: string, ask: Ask<string>): string | undefined {
    return this.read(name, ask, { range: 'text', parse: (text) => text, blank: '' });
  }

  /** An absolute URL of one of the `protocols` (with their colon), as it was written. */
  url(name: string, ask: Ask<string> & { readonly protocols: readonly string[] }): string {
    const range = `${ask.protocols.map((protocol) => `${protocol}//…`).join(' or ')}`;
    const parse = (text: string): string => {
      if (URL.canParse(text) && ask.protocols.includes(new URL(text).protocol)) return text;
      throw new Error(`an absolute URL, ${range}`);
    };
    return this.read(name, ask, { range, parse, blank: `${ask.protocols[0]}//refused.invalid` });
  }

  /** Comma-separated; blanks around an item and empty items are dropped. `each` throws for a bad item. */
  list(
    name: string,
    ask: Ask<readonly string[]> & { readonly each?: (item: string) => void },
  ): readonly string[] {
    const parse = (text: string): readonly string[] => {
      const items = text.split(',').flatMap((item) => item.trim() || []);
      for (const item of items) ask.each?.(item);
      return items;
    };
    return this.read(name, ask, { range: 'comma-separated', parse, blank: [] });
  }

  choice<C extends string>(name: string, ask: Ask<C> & { readonly of: readonly C[] }): C {
    const range = ask.of.join(', ');
    const parse = (text: string): C => {
      const found = ask.of.find((option) => option === text);
      if (found !== undefined) return found;
      throw new Error(`one of ${range}`);
    };
    return this.read(name, ask, { range, parse, blank: ask.of[0] as C });
  }

  /** The path of a file that can be read now. */
  file(name: string, ask: Optional<Ask<string>>): string | undefined;
  file(name: string, ask: Ask<string>): string;
  file(name: string, ask: Ask<string>): string | undefined {
    const parse = (path: string): string => {
      try {
        accessSync(path, constants.R_OK);
      } catch (cause) {
        throw new Error('a file that this user can read', { cause });
      }
      return path;
    };
    return this.read(name, ask, { range: 'a file', parse, blank: '' });
  }

  /** Anything else: `parse` throws an Error whose message completes "must be …". */
  parsed<T>(name: string, ask: Optional<ParsedAsk<T>>): T | undefined;
  parsed<T>(name: string, ask: ParsedAsk<T>): T;
  parsed<T>(name: string, ask: ParsedAsk<T>): T | undefined {
    // A refused value is never used: `finish` throws before.
    return this.read(name, ask, { range: ask.range, parse: ask.parse, blank: undefined as T });
  }

  /** For what can be judged only together, e.g. a certificate without its key. A whole sentence. */
  refuse(problem: string): void {
    this.problems.add(problem);
  }

  /** Throws one ConfigError with every problem found so far, or does nothing. */
  finish(): void {
    if (this.problems.size > 0) throw new ConfigError([...this.problems]);
  }

  /** Everything asked for, in order, each name once. */
  asked(): readonly Setting[] {
    return [...this.settings.values()];
  }

  private read<T>(name: string, ask: Ask<T>, kind: Kind<T>): T;
  private read<T>(name: string, ask: Ask<T>, kind: Kind<T>): T | undefined {
    this.remember(name, ask, kind.range);
    const text = this.env[name]?.trim() || this.presets[name];
    if (!text) {
      if (ask.default !== undefined || ask.optional) return ask.default;
      this.problems.add(`${name} is required: ${ask.doc || kind.range}`);
      return kind.blank;
    }
    try {
      return kind.parse(text);
    } catch (error) {
      const value = ask.secret ? 'its value' : JSON.stringify(text);
      this.problems.add(`${name}: ${value} must be ${(error as Error).message}`);
      return kind.blank;
    }
  }

  private remember<T>(name: string, ask: Ask<T>, range: string): void {
    // Who asks early, to compute another's default, may leave the words to the owner.
    if (this.settings.get(name)?.doc) return;
    this.settings.delete(name);
    const fallback = ask.shown ?? (ask.default === undefined ? undefined : String(ask.default));
    const shown = fallback ?? (ask.optional ? '' : undefined);
    const preset = ask.secret ? undefined : this.presets[name];
    this.settings.set(name, {
      name,
      default: shown,
      ...(preset && { preset }),
      range,
      doc: ask.doc,
    });
  }
}

export interface ParsedAsk<T> extends Ask<T> {
  /** What it may hold, in words. */
  readonly range: string;
  readonly parse: (text: string) => T;
}
