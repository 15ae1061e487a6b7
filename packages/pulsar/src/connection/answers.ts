import type { BaseCommand, ServerError } from '../gen/pulsar/wire_pb.ts';
import { BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';

/** An answer of a broker to a request. */
export interface Answer {
  readonly requestId: bigint;
  /** Set if the request failed. */
  readonly error: ServerError | undefined;
  readonly message: string | undefined;
}

interface Body {
  readonly requestId: bigint;
  readonly error?: ServerError | undefined;
  readonly message?: unknown;
  readonly errorCode?: ServerError | undefined;
  readonly errorMessage?: string | undefined;
}

const names = new Map<number, string>(Object.entries(Type).map(([name, number]) => [number, name]));

/** The name of a command: `SUBSCRIBE`. */
export function commandName(command: BaseCommand): string {
  return names.get(command.type) ?? String(command.type);
}

function bodyOf(command: BaseCommand): Body | undefined {
  switch (command.type) {
    case Type.SUCCESS:
      return command.success;
    case Type.ERROR:
      return command.error;
    case Type.PRODUCER_SUCCESS:
      return command.producerSuccess;
    case Type.PARTITIONED_METADATA_RESPONSE:
      return command.partitionMetadataResponse;
    case Type.LOOKUP_RESPONSE:
      return command.lookupTopicResponse;
    case Type.CONSUMER_STATS_RESPONSE:
      return command.consumerStatsResponse;
    case Type.GET_LAST_MESSAGE_ID_RESPONSE:
      return command.getLastMessageIdResponse;
    case Type.GET_TOPICS_OF_NAMESPACE_RESPONSE:
      return command.getTopicsOfNamespaceResponse;
    case Type.GET_SCHEMA_RESPONSE:
      return command.getSchemaResponse;
    case Type.GET_OR_CREATE_SCHEMA_RESPONSE:
      return command.getOrCreateSchemaResponse;
    case Type.ACK_RESPONSE:
      return command.ackResponse;
    case Type.NEW_TXN_RESPONSE:
      return command.newTxnResponse;
    case Type.ADD_PARTITION_TO_TXN_RESPONSE:
      return command.addPartitionToTxnResponse;
    case Type.ADD_SUBSCRIPTION_TO_TXN_RESPONSE:
      return command.addSubscriptionToTxnResponse;
    case Type.END_TXN_RESPONSE:
      return command.endTxnResponse;
    case Type.TC_CLIENT_CONNECT_RESPONSE:
      return command.tcClientConnectResponse;
    case Type.WATCH_TOPIC_LIST_SUCCESS:
      return command.watchTopicListSuccess;
    default:
      return undefined;
  }
}

// An optional enum that is absent reads as its first value: whether it was sent is asked of the message.
function isSet(body: Body, field: 'error' | 'errorCode'): boolean {
  return Object.hasOwn(body, field);
}

/** What a command answers; `undefined` if it is no answer. */
export function answerOf(command: BaseCommand): Answer | undefined {
  const body = bodyOf(command);
  if (body === undefined) return undefined;
  let error: ServerError | undefined;
  if (isSet(body, 'error')) error = body.error;
  else if (isSet(body, 'errorCode')) error = body.errorCode;
  const message = typeof body.message === 'string' && body.message !== '' ? body.message : body.errorMessage;
  return { requestId: BigInt.asIntN(64, body.requestId), error, message };
}
