/** An application server: seals with `web-push`, and posts itself, since `web-push` speaks TLS only. */
import { request } from 'node:http';
import webpush from 'web-push';
import type { SubscriptionJson } from '../src/index.js';

export type Encoding = 'aes128gcm' | 'aesgcm';

export class Sender {
  private readonly vapid = webpush.generateVAPIDKeys();

  get publicKey(): string {
    return this.vapid.publicKey;
  }

  /** Without `payload`: a push without one. Answers the status. */
  async send(
    subscription: SubscriptionJson,
    payload?: string,
    contentEncoding: Encoding = 'aes128gcm',
  ): Promise<number> {
    const { endpoint, keys } = subscription;
    const details = webpush.generateRequestDetails({ endpoint, keys }, payload, {
      vapidDetails: { subject: 'mailto:quotes@stocks.example', ...this.vapid },
      contentEncoding,
      TTL: 60,
    });
    // Each on a connection of its own: the service is stopped and started between two.
    const { method, headers } = details;
    return new Promise((resolve, reject) => {
      const posting = request(endpoint, { method, headers, agent: false }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
      });
      posting.on('error', reject).end(details.body);
    });
  }
}
