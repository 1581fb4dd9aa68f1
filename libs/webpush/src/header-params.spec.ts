import { describe, expect, test } from 'vitest';
import { findParam, parseHeaderParams } from './header-params.js';

const p = (name: string, value: string) => ({ name, value });

describe('a list of parameters', () => {
  test.each([
    ['', []],
    ['  ', []],
    [',;, ;', []],
    ['a=1', [[p('a', '1')]]],
    ['a=1;b=2,c=3', [[p('a', '1'), p('b', '2')], [p('c', '3')]]],
    [' a = 1 ;\tb=2 , c=3 ', [[p('a', '1'), p('b', '2')], [p('c', '3')]]],
    ['a="1";b="x,y;z"', [[p('a', '1'), p('b', 'x,y;z')]]],
    ['a=;b=""', [[p('a', ''), p('b', '')]]],
    ['a=1;', [[p('a', '1')]]],
    ['a=b=c==', [[p('a', 'b=c==')]]],
    ['a=1;a=2', [[p('a', '1'), p('a', '2')]]],
  ])('%j is read', (text, elements) => {
    expect(parseHeaderParams(text)).toEqual(elements);
  });

  test.each([
    'a',
    '=1',
    'a b=1',
    'a=1 2',
    'a="1',
    'a=1"',
    'a="1"2',
    'é=1',
    'a=é',
    'a=1\n',
    'a="\0"',
  ])('%j is not one', (text) => {
    expect(parseHeaderParams(text)).toBeUndefined();
  });

  test('finds the first of a name, in any element', () => {
    const elements = [[p('a', '1')], [p('b', '2'), p('b', '3')]];
    expect(findParam(elements, 'b')).toBe('2');
    expect(findParam(elements, 'c')).toBeUndefined();
    expect(findParam(elements, 'toString')).toBeUndefined();
  });
});
