import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { FromStream, SUBSCRIPTIONS, type StreamEvent } from '#streams';
import { Keeper } from './keeper.js';

/** Readers of this group share the partitions of `subscriptions`. */
export const KEEPERS = 'keepers';

@Controller()
export class KeeperController {
  constructor(private readonly keeper: Keeper) {}

  /** Answers with the offset to read on from. */
  @FromStream(SUBSCRIPTIONS, KEEPERS)
  async subscriptions(@Payload() event: StreamEvent): Promise<number | undefined> {
    switch (event.kind) {
      case 'assigned':
        return this.keeper.onAssigned(event.partition);
      case 'batch':
        return this.keeper.onBatch(event.batch);
      case 'idle':
        return this.keeper.onIdle(event.partition);
      case 'revoked':
        return void this.keeper.onRevoked(event.partition);
    }
  }
}
