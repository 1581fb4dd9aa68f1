/**
 * What the OpenAPI document says of the routes: summaries, schemas, refusals, and the document itself. Loaded
 * when somebody first asks for it: the library behind it is a quarter of all modules of a process that is idle.
 */
import { applyDecorators, type INestApplication } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiOperation,
  ApiParam,
  ApiResponse,
  ApiTags,
  DocumentBuilder,
  SwaggerModule,
  type OpenAPIObject,
} from '@nestjs/swagger';
import { z } from 'zod';
import { DOOR_REFUSALS, type DoorRefusalName } from './door-refusals.js';
import { RegistrationController } from './registration.controller.js';
import { NEW_REGISTRATION } from './registration-input.js';

type Schema = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string];

const text = (description: string): Schema => ({ type: 'string', description });

const NEW_REGISTRATION_SCHEMA = z.toJSONSchema(NEW_REGISTRATION, {
  target: 'openapi-3.0',
}) as Schema;

const REGISTERED_SCHEMA: Schema = {
  type: 'object',
  required: ['device', 'subscription', 'receiver', 'endpoint'],
  properties: {
    device: text('Identifier and secret of the device'),
    subscription: text('The channel that its notifications name'),
    receiver: text('Opaque name of the subscription, last segment of the endpoint'),
    endpoint: text('URL that application servers POST to'),
  },
};

const LISTED_SCHEMA: Schema = {
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

type RouteName = 'register' | 'list' | 'remove' | 'forget';

/** What stands above each method of the controller. */
const ROUTES: Readonly<Record<RouteName, readonly MethodDecorator[]>> = {
  register: [
    ApiOperation({
      summary: 'Subscribe a device to a web site',
      description:
        'Without `device` a device is created; its identifier is its secret, and what it says in its hello ' +
        'when it connects.',
    }),
    ApiBody({ schema: NEW_REGISTRATION_SCHEMA }),
    ApiResponse({ status: 201, description: 'Registered', schema: REGISTERED_SCHEMA }),
    ...refusals(
      'invalid',
      'deviceUnknown',
      'subscriptionsTooMany',
      'devicesTooMany',
      'unavailable',
    ),
  ],
  list: [
    ApiBearerAuth(),
    ApiOperation({ summary: 'List what a device is subscribed to' }),
    ApiResponse({ status: 200, description: 'The subscriptions', schema: LISTED_SCHEMA }),
    ...refusals('unauthorized', 'deviceUnknown', 'unavailable'),
  ],
  remove: [
    ApiBearerAuth(),
    ApiOperation({ summary: 'Give up one subscription' }),
    ApiParam({ name: 'subscription', description: 'As it was answered when it was registered' }),
    ApiResponse({ status: 204, description: 'Given up' }),
    ...refusals('unauthorized', 'subscriptionUnknown', 'unavailable'),
  ],
  forget: [
    ApiBearerAuth(),
    ApiOperation({ summary: 'Remove the device with all that it has' }),
    ApiResponse({ status: 204, description: 'Removed' }),
    ...refusals('unauthorized', 'deviceUnknown', 'unavailable'),
  ],
};

/** The refusals of a route, from the one table. */
function refusals(...names: DoorRefusalName[]): readonly MethodDecorator[] {
  return names.map((name) => {
    const { status, say } = DOOR_REFUSALS[name];
    return ApiResponse({ status, description: say, schema: REFUSAL_SCHEMA });
  });
}

function describeRoutes(): void {
  ApiTags('registrations')(RegistrationController);
  const { prototype } = RegistrationController;
  for (const [name, decorators] of Object.entries(ROUTES)) {
    const method = Object.getOwnPropertyDescriptor(prototype, name);
    if (!method) throw new Error(`the registration door has no route ${name}`);
    applyDecorators(...decorators)(prototype, name, method);
  }
}

export function openApiOf(app: INestApplication): OpenAPIObject {
  describeRoutes();
  const builder = new DocumentBuilder()
    .setTitle('Heliograph registration')
    .setDescription('For devices that register without a socket.')
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'The device identifier' });
  return SwaggerModule.createDocument(app, builder.build());
}
