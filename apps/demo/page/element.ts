/** The few lines of DOM that this page needs instead of a framework. */

export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no #${id}`);
  return found as E;
}

/** What stands between backticks is code. */
export function withCode(text: string): readonly Node[] {
  return text
    .split('`')
    .map((part, at) => (at % 2 ? element('code', { text: part }) : document.createTextNode(part)));
}

export interface Look {
  readonly className?: string;
  readonly text?: string;
  readonly data?: Readonly<Record<string, string>>;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Text goes in as text only: nothing that came over a wire becomes markup. */
export function element<N extends keyof HTMLElementTagNameMap>(
  name: N,
  { className, text, data, attributes }: Look = {},
  children: readonly Node[] = [],
): HTMLElementTagNameMap[N] {
  const made = document.createElement(name);
  if (className !== undefined) made.className = className;
  if (text !== undefined) made.textContent = text;
  Object.assign(made.dataset, data);
  for (const [key, value] of Object.entries(attributes ?? {})) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
