import { describe, expect, test } from 'vitest';
import { routeOf } from './route.js';

const POST_ONLY = { kind: 'method not allowed', allow: 'POST, GET, OPTIONS' };
const DELETE_ONLY = { kind: 'method not allowed', allow: 'DELETE, OPTIONS' };

describe('the route of', () => {
  test.each([
    ['POST', '/wpush/v1/abc', { kind: 'push', receiver: 'abc', needsKey: false }],
    ['POST', '/wpush/v2/abc', { kind: 'push', receiver: 'abc', needsKey: true }],
    ['POST', '/wpush/abc', { kind: 'push', receiver: 'abc', needsKey: false }],
    ['post', '/wpush/v2/abc', { kind: 'push', receiver: 'abc', needsKey: true }],
    ['POST', '/wpush/abc?x=/y', { kind: 'push', receiver: 'abc', needsKey: false }],
    ['POST', '/wpush/v1', { kind: 'push', receiver: 'v1', needsKey: false }],
    ['POST', '/wpush/a%2Fb', { kind: 'push', receiver: 'a%2Fb', needsKey: false }],
    ['GET', '/wpush/v2/abc', { kind: 'unifiedpush' }],
    ['get', '/wpush/abc', { kind: 'unifiedpush' }],
    ['OPTIONS', '/wpush/v1/abc', { kind: 'preflight' }],
    ['OPTIONS', '/m/abc', { kind: 'preflight' }],
    ['DELETE', '/m/abc', { kind: 'cancel', message: 'abc' }],
    ['delete', '/m/abc', { kind: 'cancel', message: 'abc' }],
    ['PUT', '/wpush/v2/abc', POST_ONLY],
    ['DELETE', '/wpush/abc', POST_ONLY],
    ['HEAD', '/wpush/abc', POST_ONLY],
    ['', '/wpush/abc', POST_ONLY],
    ['GET', '/m/abc', DELETE_ONLY],
    ['POST', '/m/abc', DELETE_ONLY],
  ])('%s %s', (method, path, route) => {
    expect(routeOf(method, path)).toEqual(route);
  });

  test.each([
    '',
    '/',
    '/wpush',
    '/wpush/',
    '/wpush/v1/',
    '/wpush/v2/',
    '/wpush/v3/abc',
    '/wpush/v1/abc/',
    '/wpush/v1/abc/def',
    '/wpush//abc',
    '//wpush/abc',
    '/WPUSH/abc',
    '/wpushy/abc',
    '/m',
    '/m/',
    '/m/a/b',
    '/?/wpush/abc',
    'wpush/abc',
  ])('%j is not found, whatever the method', (path) => {
    for (const method of ['POST', 'GET', 'DELETE', 'OPTIONS', 'PUT']) {
      expect(routeOf(method, path)).toEqual({ kind: 'not found' });
    }
  });
});
