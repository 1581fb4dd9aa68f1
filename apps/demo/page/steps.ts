/** The eight steps of the flow (design §1), each with what was really said in it. */
import { element, withCode } from './element.js';
import { timeOfDay } from './spoken.js';

export interface Said {
  readonly by: string;
  readonly text: string;
}

export interface StepStory {
  readonly state: 'active' | 'done' | 'failed';
  /** One line; what stands between backticks is code. */
  readonly summary: string;
  readonly said?: readonly Said[];
  readonly note?: string;
}

interface Step {
  readonly title: string;
  readonly route: readonly [from: string, to: string];
}

const STEPS: readonly Step[] = [
  { title: 'The page', route: ['Application server', 'Web application'] },
  { title: 'The name of the site', route: ['Web application', 'Push client'] },
  { title: 'Registration request', route: ['Push client', 'Push service'] },
  { title: 'Receiver identifier', route: ['Push service', 'Push client'] },
  { title: 'Endpoint to the site', route: ['Web application', 'Application server'] },
  { title: 'Notification', route: ['Application server', 'Push service'] },
  { title: 'Delivery', route: ['Push service', 'Push client'] },
  { title: 'Push event', route: ['Push client', 'Web application'] },
];

const STATE_WORDS = { idle: 'not yet', active: 'under way', done: 'done', failed: 'failed' };

export class Steps {
  private readonly views: readonly StepView[];

  constructor(list: HTMLElement) {
    this.views = STEPS.map((step, at) => new StepView(at + 1, step));
    list.replaceChildren(...this.views.map(({ item }) => item));
  }

  /** `step`: 1–8. */
  show(step: number, story: StepStory): void {
    this.views[step - 1]?.show(story);
  }

  /** Back to how a visitor finds them, from `first` on. */
  clear(first: number): void {
    for (const view of this.views.slice(first - 1)) view.clear();
  }

  /** Something that lives inside the details of a step. */
  append(step: number, node: Node): void {
    this.views[step - 1]?.more.append(node);
  }
}

class StepView {
  readonly item: HTMLLIElement;
  readonly more = element('div');
  private readonly state = element('span', { className: 'visually-hidden' });
  private readonly at = element('time');
  private readonly summary = element('p', { className: 'summary' });
  private readonly body = element('div');
  private readonly details: HTMLDetailsElement;

  constructor(number: number, { title, route: [from, to] }: Step) {
    const label = {
      text: 'What was said',
      attributes: { 'aria-label': `What was said in step ${number}` },
    };
    this.details = element('details', {}, [element('summary', label), this.body, this.more]);
    const head = element('div', { className: 'step-head' }, [
      element('h3', { text: title }),
      this.at,
    ]);
    const route = element('p', { className: 'route' }, [
      element('span', { text: from }),
      element('span', { className: 'arrow', text: '→', attributes: { 'aria-label': 'to' } }),
      element('span', { text: to }),
    ]);
    const mark = element('span', { className: 'mark', text: String(number) });
    mark.setAttribute('aria-hidden', 'true');
    const text = element('div', {}, [head, this.state, route, this.summary, this.details]);
    this.item = element('li', { data: { step: String(number) } }, [mark, text]);
    this.clear();
  }

  show({ state, summary, said = [], note }: StepStory): void {
    this.become(state);
    this.summary.replaceChildren(...withCode(summary));
    this.at.textContent = timeOfDay(Date.now());
    this.details.hidden = false;
    // A price every few seconds must not take the text away under the eyes of who reads it.
    if (this.details.open && this.details.matches(':hover, :focus-within')) return;
    this.body.replaceChildren(
      ...said.flatMap(({ by, text }) => [
        element('p', { className: 'by', text: by }),
        element('pre', { text, attributes: { tabindex: '0' } }),
      ]),
      ...(note === undefined ? [] : [element('p', { className: 'note', text: note })]),
    );
  }

  clear(): void {
    this.become('idle');
    this.summary.textContent = '';
    this.at.textContent = '';
    this.body.replaceChildren();
    this.more.replaceChildren();
    this.details.hidden = true;
    this.details.open = false;
  }

  private become(state: keyof typeof STATE_WORDS): void {
    this.item.dataset['state'] = state;
    this.state.textContent = STATE_WORDS[state];
  }
}
