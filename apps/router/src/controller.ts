import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { FromStream, NOTIFICATIONS, type StreamEvent } from '#streams';
import { Router } from './router.js';

/** Readers of this group share the partitions of `notifications`. */
export const ROUTERS = 'routers';

@Controller()
export class RouterController {
  constructor(private readonly router: Router) {}

  /** Answers with the offset to read on from. */
  @FromStream(NOTIFICATIONS, ROUTERS)
  async notifications(@Payload() event: StreamEvent): Promise<number | undefined> {
    switch (event.kind) {
      case 'assigned':
        return this.router.onAssigned(event.partition);
      case 'batch':
        return this.router.onBatch(event.batch);
      case 'idle':
        return this.router.onIdle(event.partition);
      case 'revoked':
        return void this.router.onRevoked(event.partition);
    }
  }
}
