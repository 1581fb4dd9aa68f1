import { describe, expect, test } from 'vitest';
import { refusalOf } from './endpoint.js';

const OURS = 'http://127.0.0.1:8081';

describe('an endpoint', () => {
  test('of our origin is taken', () => {
    expect(refusalOf(`${OURS}/wpush/v2/AbC`, OURS)).toBeUndefined();
    expect(refusalOf('https://push.example/wpush/v1/AbC', 'https://push.example')).toBeUndefined();
  });

  test.each([
    ['https://updates.push.services.mozilla.com/wpush/v2/x', "Mozilla's push service"],
    ['https://fcm.googleapis.com/fcm/send/x', "Google's push service"],
    ['https://web.push.apple.com/x', "Apple's push service"],
    ['https://db5p.notify.windows.com/w/?token=x', "Microsoft's push service"],
    ['https://push.other.example/x', 'push.other.example'],
    // Names that only look like a vendor's.
    ['https://evilgoogleapis.com/x', 'evilgoogleapis.com'],
    ['https://fcm.googleapis.com.evil.example/x', 'fcm.googleapis.com.evil.example'],
  ])('%s is refused, and its service is named', (endpoint, service) => {
    const refusal = refusalOf(endpoint, OURS);
    expect(refusal?.service.startsWith(service)).toBe(true);
    expect(refusal?.message).toContain('npm run firefox');
  });

  test.each([
    'http://127.0.0.1:8082/wpush/v2/x',
    'https://127.0.0.1:8081/wpush/v2/x',
    'http://localhost:8081/wpush/v2/x',
    'http://127.0.0.1:8081@evil.example/wpush/v2/x',
    'http://127.0.0.1.evil.example:8081/wpush/v2/x',
    'http://user:word@127.0.0.1:8081/wpush/v2/x',
    'http://127.0.0.1:8081/m/x',
    'http://127.0.0.1:8081/wpush/../m/x',
    'file:///wpush/v2/x',
  ])('%s is refused: nobody makes this site call elsewhere', (endpoint) => {
    expect(refusalOf(endpoint, OURS)).toBeDefined();
  });
});
