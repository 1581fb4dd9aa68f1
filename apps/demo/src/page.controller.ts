import { Controller, Get, NotFoundException, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { DemoConfig } from './config.js';
import { PageFiles } from './page-files.js';

/** The page and its parts (design §1, step 1). Nothing of it comes from elsewhere, and the browser is told so. */
@Controller()
export class PageController {
  private readonly policy: string;

  constructor(
    private readonly files: PageFiles,
    config: DemoConfig,
  ) {
    const gateway = new URL(config.gatewayUrl).origin;
    this.policy = [
      "default-src 'none'",
      "script-src 'self'; style-src 'self'; img-src 'self'; worker-src 'self'",
      `connect-src 'self' ${gateway}`,
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ].join('; ');
  }

  @Get()
  index(@Res() reply: FastifyReply): void {
    this.file('index.html', reply);
  }

  @Get(':name')
  file(@Param('name') name: string, @Res() reply: FastifyReply): void {
    const file = this.files.get(name);
    if (!file) throw new NotFoundException(`There is no ${name} here.`);
    reply
      .header('content-type', file.type)
      .header('content-security-policy', this.policy)
      .header('x-content-type-options', 'nosniff')
      .header('referrer-policy', 'no-referrer')
      .header('cache-control', 'no-cache')
      .send(file.bytes);
  }
}
