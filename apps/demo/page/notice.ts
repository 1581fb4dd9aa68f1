import { byId, element, withCode } from './element.js';

export type NoticeKind = 'info' | 'warning' | 'error';

/** The one place where the page explains itself. Later words replace earlier ones. */
export function showNotice(
  kind: NoticeKind,
  title: string,
  ...paragraphs: readonly string[]
): void {
  const notice = byId('notice');
  notice.dataset['kind'] = kind;
  notice.replaceChildren(
    element('strong', { text: title }),
    ...paragraphs.map((text) => element('p', {}, withCode(text))),
  );
  notice.hidden = false;
}

export function clearNotice(): void {
  byId('notice').hidden = true;
}
