/** What the OpenAPI document says beside the routes: schemas, refusals, and the document itself. */
import { applyDecorators, type INestApplication } from '@nestjs/common';
import { ApiResponse, DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { z } from 'zod';
import { DOOR_REFUSALS, type DoorRefusalName } from './door-refusals.js';
import { NEW_REGISTRATION } from './registration-input.js';

type Schema = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string];

const text = (description: string): Schema => ({ type: 'string', description });

export const NEW_REGISTRATION_SCHEMA = z.toJSONSchema(NEW_REGISTRATION, {
  target: 'openapi-3.0',
}) as Schema;

export const REGISTERED_SCHEMA: Schema = {
  type: 'object',
  required: ['device', 'subscription', 'receiver', 'endpoint'],
  properties: {
    device: text('Identifier and secret of the device'),
    subscription: text('The channel that its notifications name'),
    receiver: text('Opaque name of the subscription, last segment of the endpoint'),
    endpoint: text('URL that application servers POST to'),
  },
};

export const LISTED_SCHEMA: Schema = {
  type: 'object',
  required: ['registrations'],
  properties: {
    registrations: {
      type: 'array',
      description: 'Each of them:',
      items: {
        type: 'object',
        required: ['subscription', 'isKeyed'],
        properties: {
          subscription: text('As it was answered when it was registered'),
          site: text('URL of the web site, where one was given'),
          isKeyed: { type: 'boolean', description: 'Registered with an application server key' },
        },
      },
    },
  },
};

const REFUSAL_SCHEMA: Schema = {
  type: 'object',
  required: ['code', 'error', 'message'],
  properties: {
    code: { type: 'integer', description: 'The HTTP status' },
    error: text('Its reason phrase'),
    message: text('What was wrong, for people'),
    fields: {
      type: 'array',
      description: 'With 400: each field that is wrong',
      items: { type: 'object', properties: { field: text(''), message: text('') } },
    },
  },
};

/** One decorator for the refusals of a route, from the one table. */
export function refusalsOf(...names: DoorRefusalName[]): MethodDecorator {
  return applyDecorators(
    ...names.map((name) => {
      const { status, say } = DOOR_REFUSALS[name];
      return ApiResponse({ status, description: say, schema: REFUSAL_SCHEMA });
    }),
  ) as MethodDecorator;
}

export function openApiOf(app: INestApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setTitle('Heliograph registration')
    .setDescription('For devices that register without a socket.')
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'The device identifier' });
  return SwaggerModule.createDocument(app, builder.build());
}
