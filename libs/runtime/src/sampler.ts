export const SAMPLE_INTERVAL_MS = 10_000;
/** Classes are constants of the code; should one ever be built from input, the rest share one line. */
export const SAMPLED_CLASSES_MAX = 200;

type Write = (text: string, fields: Readonly<Record<string, unknown>>) => void;
interface Pending {
  times: number;
  text: string;
  fields: Readonly<Record<string, unknown>>;
}

/** At most one line per class and interval; a class that fell silent leaves nothing behind. */
export class Sampler {
  private readonly classes = new Map<string, Pending>();

  constructor(
    private readonly write: Write,
    private readonly intervalMs = SAMPLE_INTERVAL_MS,
  ) {}

  say(of: string, text: string, fields: Readonly<Record<string, unknown>>): void {
    const isNew = !this.classes.has(of);
    const name = isNew && this.classes.size >= SAMPLED_CLASSES_MAX ? 'others' : of;
    const pending = this.classes.get(name);
    if (pending) {
      pending.times++;
      pending.text = text;
      pending.fields = fields;
      return;
    }
    this.write(text, { ...fields, class: name, times: 1 });
    this.open(name, { times: 0, text, fields });
  }

  private open(name: string, pending: Pending): void {
    this.classes.set(name, pending);
    setTimeout(() => this.closeInterval(name, pending), this.intervalMs).unref();
  }

  private closeInterval(name: string, { times, text, fields }: Pending): void {
    this.classes.delete(name);
    if (times === 0) return;
    this.write(text, { ...fields, class: name, times });
    this.open(name, { times: 0, text, fields });
  }
}
