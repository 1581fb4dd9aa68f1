/**
 * The contract of the view: what every adapter of its ports must do, played by several clients on one store. An
 * adapter passes it unchanged; what it brings is a {@link ViewHarness}. After each test the accounts of
 * design §5 must add up.
 */
import { describe } from 'vitest';
import { applyContract } from './apply.contract.js';
import { foldContract } from './fold.contract.js';
import { leasesContract } from './leases.contract.js';
import { mailboxContract } from './mailbox.contract.js';
import { markContract } from './mark.contract.js';
import { presenceContract } from './presence.contract.js';
import { randomContract } from './random.contract.js';
import { settleContract } from './settle.contract.js';
import { subscriptionsContract } from './subscriptions-view.contract.js';
import type { ViewHarness } from './view-harness.contract.js';

export type { OpenStore, StoreSettings, ViewClient, ViewHarness } from './view-harness.contract.js';

export function viewContract(name: string, harness: ViewHarness): void {
  describe(`the view on ${name}`, () => {
    presenceContract(harness);
    leasesContract(harness);
    markContract(harness);
    applyContract(harness);
    settleContract(harness);
    foldContract(harness);
    mailboxContract(harness);
    subscriptionsContract(harness);
    randomContract(harness);
  });
}
