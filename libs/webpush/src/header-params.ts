/**
 * The `name=value` lists of `Authorization: vapid`, `Crypto-Key` and `Encryption`.
 *
 *   list    = element *( "," element )
 *   element = param *( ";" param )
 *   param   = name "=" ( value / DQUOTE value DQUOTE )   ; spaces around are skipped, empty ones too
 *   name    = 1*( letter / digit / "_" / "-" )
 *   value   = *( visible ASCII without DQUOTE; "," and ";" inside quotes only )
 */
export interface HeaderParam {
  readonly name: string;
  /** Without its quotes. */
  readonly value: string;
}

const PARAM =
  /[ \t]*([\w-]+)[ \t]*=[ \t]*(?:"([\x21\x23-\x7e]*)"|([\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]*))[ \t]*/y;
const NOTHING = /[ \t]*/y;

/** The elements in order, empty ones left out; undefined: not of this grammar. Linear in the text. */
export function parseHeaderParams(text: string): HeaderParam[][] | undefined {
  const elements: HeaderParam[][] = [];
  let element: HeaderParam[] = [];
  for (let at = 0; ; at++) {
    PARAM.lastIndex = NOTHING.lastIndex = at;
    const found = PARAM.exec(text);
    if (found) element.push({ name: found[1] ?? '', value: found[2] ?? found[3] ?? '' });
    else NOTHING.exec(text);
    at = found ? PARAM.lastIndex : NOTHING.lastIndex;
    const separator = text[at];
    if (separator === ';') continue;
    if (separator !== ',' && separator !== undefined) return undefined;
    if (element.length > 0) elements.push(element);
    element = [];
    if (separator === undefined) return elements;
  }
}

/** The first value of that name in any element. */
export function findParam(
  elements: readonly (readonly HeaderParam[])[],
  name: string,
): string | undefined {
  for (const element of elements) {
    for (const param of element) if (param.name === name) return param.value;
  }
  return undefined;
}
