import { expect, test } from 'vitest';
import { credentialsOf } from './vapid-credentials.js';

const FOUND = { token: 'a.b.c', key: 'K_-+/==' };

test.each([
  ['vapid t=a.b.c, k=K_-+/==', undefined],
  ['vapid t=a.b.c,k=K_-+/==', undefined],
  ['vapid k=K_-+/==,t=a.b.c', undefined],
  ['VAPID   t="a.b.c" , k="K_-+/==" ', undefined],
  ['vapid t=a.b.c, v=2, k=K_-+/==', undefined],
  ['vapid t=a.b.c;k=K_-+/==', undefined],
  ['vapid t=a.b.c,k=K_-+/==', 'p256ecdsa=other'],
  ['WebPush a.b.c', 'p256ecdsa=K_-+/=='],
  ['webpush  a.b.c ', 'dh=x;p256ecdsa="K_-+/=="'],
  ['Bearer a.b.c', 'keyid=p256dh;dh=x,p256ecdsa=K_-+/=='],
])('%j with Crypto-Key %j has token and key', (authorization, cryptoKey) => {
  expect(credentialsOf(authorization, cryptoKey)).toEqual(FOUND);
});

test.each([
  ['', undefined, /no credentials/],
  ['vapid', undefined, /no credentials/],
  ['vapid ', undefined, /no credentials/],
  ['vapidt=a.b.c,k=K', undefined, /no credentials/],
  ['Basic dXNlcjpwYXNz', undefined, /scheme Basic/],
  ['t=a.b.c, k=K', undefined, /scheme t=a.b.c,/],
  ['vapid a.b.c', undefined, /not name=value/],
  ['vapid t=a.b.c', undefined, /k is missing/],
  ['vapid t=a.b.c, k=', undefined, /k is missing/],
  ['vapid k=K', undefined, /t is missing/],
  ['vapid t=a.b.c,t=d.e.f,k=K', undefined, /t is given twice/],
  ['vapid t=a.b.c,k=K,k=K', undefined, /k is given twice/],
  ['vapid t=a.b.c,k=K é', undefined, /not name=value/],
  ['WebPush a.b.c', undefined, /no p256ecdsa/],
  ['WebPush a.b.c', 'dh=K', /no p256ecdsa/],
  ['WebPush a.b.c', 'p256ecdsa=', /no p256ecdsa/],
  ['WebPush a.b.c', 'nonsense', /Crypto-Key is not/],
])('%j with Crypto-Key %j is refused', (authorization, cryptoKey, reason) => {
  expect(credentialsOf(authorization, cryptoKey)).toMatch(reason);
});
