import { create } from '@bufbuild/protobuf';
import {
  type BaseCommand,
  BaseCommand_Type,
  BaseCommandSchema,
  InitialPosition,
  KeySharedMode,
  type MessageIdData,
  MessageIdDataSchema,
  SubType,
} from '../gen/pulsar/wire_pb.ts';
import type { MessageId } from '../message/message-id.ts';
import type { SchemaInfo } from '../schema/port.ts';
import { toWireSchema } from '../schema/registration.ts';
import type { ConsumerSettings, SubscriptionType } from './options.ts';

const MASK = 2n ** 64n - 1n;

const subTypes = {
  exclusive: SubType.EXCLUSIVE,
  shared: SubType.SHARED,
  failover: SubType.FAILOVER,
  key_shared: SubType.KEY_SHARED,
} as const satisfies Record<SubscriptionType, SubType>;

/** What SUBSCRIBE says that is not the same for every topic of a consumer. */
export interface SubscribeFields {
  readonly topic: string;
  readonly consumerId: number;
  readonly requestId: bigint;
  readonly durable: boolean;
  /** Where a cursor that is not durable starts. */
  readonly start: MessageId | undefined;
  readonly rollbackSeconds: number;
  readonly epoch: number;
  readonly initialPosition: 'earliest' | 'latest';
  readonly forceTopicCreation: boolean;
  readonly schema: SchemaInfo | undefined;
}

export function subscribe(fields: SubscribeFields, settings: ConsumerSettings): BaseCommand {
  const { keyShared } = settings;
  return create(BaseCommandSchema, {
    type: BaseCommand_Type.SUBSCRIBE,
    subscribe: {
      topic: fields.topic,
      subscription: settings.subscription,
      subType: subTypes[settings.type],
      consumerId: BigInt(fields.consumerId),
      requestId: fields.requestId,
      consumerName: settings.name,
      priorityLevel: settings.priority,
      durable: fields.durable,
      ...(fields.start === undefined ? {} : { startMessageId: positionData(fields.start) }),
      metadata: pairs(settings.properties),
      readCompacted: settings.readCompacted,
      ...(fields.schema === undefined ? {} : { schema: toWireSchema(fields.schema) }),
      initialPosition: fields.initialPosition === 'earliest' ? InitialPosition.EARLIEST : InitialPosition.LATEST,
      replicateSubscriptionState: settings.replicateSubscriptionState,
      forceTopicCreation: fields.forceTopicCreation,
      ...(fields.rollbackSeconds > 0 ? { startMessageRollbackDurationSec: BigInt(fields.rollbackSeconds) } : {}),
      ...(settings.type === 'key_shared'
        ? {
            keySharedMeta: {
              keySharedMode: keyShared.ranges === undefined ? KeySharedMode.AUTO_SPLIT : KeySharedMode.STICKY,
              hashRanges: (keyShared.ranges ?? []).map(([start, end]) => ({ start, end })),
              allowOutOfOrderDelivery: keyShared.allowOutOfOrder ?? false,
            },
          }
        : {}),
      subscriptionProperties: pairs(settings.subscriptionProperties),
      consumerEpoch: BigInt(fields.epoch),
    },
  });
}

export function closeConsumer(consumerId: number, requestId: bigint): BaseCommand {
  return create(BaseCommandSchema, {
    type: BaseCommand_Type.CLOSE_CONSUMER,
    closeConsumer: { consumerId: BigInt(consumerId), requestId },
  });
}

export function unsubscribe(consumerId: number, requestId: bigint, force: boolean): BaseCommand {
  return create(BaseCommandSchema, {
    type: BaseCommand_Type.UNSUBSCRIBE,
    unsubscribe: { consumerId: BigInt(consumerId), requestId, force },
  });
}

export function seekToId(consumerId: number, requestId: bigint, id: MessageId, ackSet: readonly bigint[]): BaseCommand {
  const messageId = positionData(id);
  messageId.batchIndex = -1;
  messageId.ackSet = [...ackSet];
  return create(BaseCommandSchema, {
    type: BaseCommand_Type.SEEK,
    seek: { consumerId: BigInt(consumerId), requestId, messageId },
  });
}

export function seekToTime(consumerId: number, requestId: bigint, timeMs: number): BaseCommand {
  return create(BaseCommandSchema, {
    type: BaseCommand_Type.SEEK,
    seek: { consumerId: BigInt(consumerId), requestId, messagePublishTime: BigInt(timeMs) },
  });
}

export function getLastMessageId(consumerId: number, requestId: bigint): BaseCommand {
  return create(BaseCommandSchema, {
    type: BaseCommand_Type.GET_LAST_MESSAGE_ID,
    getLastMessageId: { consumerId: BigInt(consumerId), requestId },
  });
}

export function consumerStats(consumerId: number, requestId: bigint): BaseCommand {
  return create(BaseCommandSchema, {
    type: BaseCommand_Type.CONSUMER_STATS,
    consumerStats: { consumerId: BigInt(consumerId), requestId },
  });
}

function positionData(id: MessageId): MessageIdData {
  const data = create(MessageIdDataSchema, { ledgerId: id.ledgerId & MASK, entryId: id.entryId & MASK });
  if (id.batchIndex >= 0) data.batchIndex = id.batchIndex;
  return data;
}

function pairs(properties: Readonly<Record<string, string>>): { key: string; value: string }[] {
  return Object.entries(properties).map(([key, value]) => ({ key, value }));
}
