import { create } from '@bufbuild/protobuf';
import { PulsarError } from '../errors/pulsar-error.ts';
import { type BaseCommand, BaseCommandSchema, BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import { DEFAULT_MAX_MESSAGE_SIZE } from '../wire/frame-decoder.ts';
import { commandName } from './answers.ts';
import type { Authentication, CredentialsRequest } from './auth/port.ts';
import { serverError } from './server-error.ts';

/** The newest version of the protocol that this client speaks. */
const PROTOCOL_VERSION = 21;
/** What brokers show in their statistics. */
const CLIENT_VERSION = 'paystream-pulsar';

/** What the broker says of itself in the handshake. */
export interface Welcome {
  readonly serverVersion: string;
  readonly protocolVersion: number;
  readonly maxMessageSize: number;
  readonly topicWatchers: boolean;
  readonly metadataWithoutAutoCreation: boolean;
}

/** Credentials of an authentication, whose failures are typed. */
export async function credentialsOf(authentication: Authentication, request: CredentialsRequest): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await authentication.credentials(request));
  } catch (cause) {
    if (PulsarError.is(cause)) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new PulsarError('AUTHENTICATION', `the credentials could not be had: ${why}`, { retryable: true, cause });
  }
}

/** The first command of a connection. `proxyTo` is the broker that a proxy shall connect to. */
export function connectCommand(method: string, authData: Uint8Array<ArrayBuffer>, proxyTo: string | undefined): BaseCommand {
  return create(BaseCommandSchema, {
    type: Type.CONNECT,
    connect: {
      clientVersion: CLIENT_VERSION,
      protocolVersion: PROTOCOL_VERSION,
      authMethodName: method,
      authData,
      ...(proxyTo === undefined ? {} : { proxyToBrokerUrl: proxyTo }),
      featureFlags: {
        supportsAuthRefresh: true,
        supportsBrokerEntryMetadata: true,
        supportsPartialProducer: true,
        supportsGetPartitionedMetadataWithoutAutoCreation: true,
      },
    },
  });
}

/** What the broker asks for when credentials have expired, in place of a step of a method. */
const REFRESH = 'PulsarAuthRefresh';

/** The answer to a challenge of the broker, within the handshake or later. */
export async function answerChallenge(command: BaseCommand, authentication: Authentication, signal: AbortSignal): Promise<BaseCommand> {
  const challenge = command.authChallenge?.challenge?.authData ?? new Uint8Array();
  const reason = Buffer.from(challenge).toString('latin1') === REFRESH ? 'refresh' : 'connect';
  const authData = await credentialsOf(authentication, { reason, challenge, signal });
  return create(BaseCommandSchema, {
    type: Type.AUTH_RESPONSE,
    authResponse: {
      clientVersion: CLIENT_VERSION,
      protocolVersion: PROTOCOL_VERSION,
      response: { authMethodName: authentication.method, authData },
    },
  });
}

/** What an answer to CONNECT or to AUTH_RESPONSE means. Throws the error of a broker that refuses. `undefined`: a challenge, to be answered. */
export function readWelcome(command: BaseCommand): Welcome | undefined {
  const { connected, error } = command;
  if (command.type === Type.AUTH_CHALLENGE) return undefined;
  if (connected !== undefined) {
    return {
      serverVersion: connected.serverVersion,
      protocolVersion: connected.protocolVersion,
      maxMessageSize: connected.maxMessageSize > 0 ? connected.maxMessageSize : DEFAULT_MAX_MESSAGE_SIZE,
      topicWatchers: connected.featureFlags?.supportsTopicWatchers === true,
      metadataWithoutAutoCreation: connected.featureFlags?.supportsGetPartitionedMetadataWithoutAutoCreation === true,
    };
  }
  if (error !== undefined) throw serverError(error.error, error.message, 'CONNECT');
  throw new PulsarError('PROTOCOL', `the broker answered CONNECT with ${commandName(command)}`, { command: 'CONNECT' });
}
