/**
 * The REST door over HTTP (contract §3): thin, so that what it answers can be read in one place. What its
 * OpenAPI document says of each route is in `openapi.ts`.
 */
import { Body, Controller, Delete, Get, Headers, Param, Post, Req, Res } from '@nestjs/common';
import { TrustedProxies } from '#runtime';
import { RegistrationConfig } from './config.js';
import { DOOR_REFUSALS, refusalBodyOf, type DoorRefused } from './door-refusals.js';
import { bearerOf } from './registration-input.js';
import { Registrations, type Listed, type Registered, type Removed } from './registrations.js';

/** What of Fastify's reply and request the door uses. */
export interface Reply {
  status(code: number): Reply;
  headers(values: Readonly<Record<string, string>>): Reply;
  send(body?: unknown): unknown;
}
export interface Asker {
  readonly socket: { readonly remoteAddress?: string };
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

@Controller('v1')
export class RegistrationController {
  private readonly proxies: TrustedProxies;

  constructor(
    private readonly registrations: Registrations,
    config: RegistrationConfig,
  ) {
    this.proxies = new TrustedProxies(config.door.trustedProxies);
  }

  @Post('registrations')
  async register(@Body() body: unknown, @Req() asker: Asker, @Res() reply: Reply): Promise<void> {
    send(reply, 201, await this.registrations.register(body, this.addressOf(asker)));
  }

  @Get('registrations')
  async list(
    @Headers('authorization') authorization: string | undefined,
    @Res() reply: Reply,
  ): Promise<void> {
    send(reply, 200, await this.registrations.list(bearerOf(authorization)));
  }

  @Delete('registrations/:subscription')
  async remove(
    @Headers('authorization') authorization: string | undefined,
    @Param('subscription') subscription: string,
    @Res() reply: Reply,
  ): Promise<void> {
    send(reply, 204, await this.registrations.remove(bearerOf(authorization), subscription));
  }

  @Delete('device')
  async forget(
    @Headers('authorization') authorization: string | undefined,
    @Res() reply: Reply,
  ): Promise<void> {
    send(reply, 204, await this.registrations.forget(bearerOf(authorization)));
  }

  private addressOf({ socket, headers }: Asker): string {
    const forwarded = headers['x-forwarded-for'];
    const line = Array.isArray(forwarded) ? forwarded.join(',') : forwarded;
    return this.proxies.clientOf(socket.remoteAddress ?? '', line);
  }
}

/** Answers hold secrets: nobody on the way keeps them. */
const NO_STORE = { 'Cache-Control': 'no-store' };

function send(
  reply: Reply,
  status: number,
  answer: Registered | Listed | Removed | DoorRefused,
): void {
  switch (answer.kind) {
    case 'refused': {
      const { status: refused, ...row } = DOOR_REFUSALS[answer.refusal];
      const headers = 'headers' in row ? row.headers : {};
      reply
        .status(refused)
        .headers({ ...NO_STORE, ...headers })
        .send(refusalBodyOf(answer));
      return;
    }
    case 'removed':
      reply.status(status).headers(NO_STORE).send();
      return;
    case 'registered': {
      const { device, subscription, receiver, endpoint } = answer;
      reply.status(status).headers(NO_STORE).send({ device, subscription, receiver, endpoint });
      return;
    }
    case 'listed':
      reply.status(status).headers(NO_STORE).send({ registrations: answer.registrations });
  }
}
