import { create } from '@bufbuild/protobuf';
import { type BaseCommand, BaseCommand_Type, BaseCommandSchema, ProducerAccessMode } from '../gen/pulsar/wire_pb.ts';
import type { SchemaInfo } from '../schema/port.ts';
import { toWireSchema } from '../schema/registration.ts';
import type { AccessMode } from './options.ts';

const accessModes = {
  shared: ProducerAccessMode.SHARED,
  exclusive: ProducerAccessMode.EXCLUSIVE,
  'wait-for-exclusive': ProducerAccessMode.WAIT_FOR_EXCLUSIVE,
  'exclusive-with-fencing': ProducerAccessMode.EXCLUSIVE_WITH_FENCING,
} as const satisfies Record<AccessMode, ProducerAccessMode>;

/** What PRODUCER says. */
export interface ProducerFields {
  readonly topic: string;
  readonly producerId: number;
  readonly requestId: bigint;
  /** `undefined`: the broker chooses one. */
  readonly name: string | undefined;
  readonly nameIsChosen: boolean;
  readonly properties: Readonly<Record<string, string>>;
  readonly schema: SchemaInfo | undefined;
  readonly epoch: number;
  readonly accessMode: AccessMode;
  readonly topicEpoch: bigint | undefined;
  readonly transactions: boolean;
  readonly initialSubscription: string | undefined;
}

export function producerCommand(fields: ProducerFields): BaseCommand {
  return create(BaseCommandSchema, {
    type: BaseCommand_Type.PRODUCER,
    producer: {
      topic: fields.topic,
      producerId: BigInt(fields.producerId),
      requestId: fields.requestId,
      ...(fields.name === undefined ? {} : { producerName: fields.name }),
      metadata: Object.entries(fields.properties).map(([key, value]) => ({ key, value })),
      ...(fields.schema === undefined ? {} : { schema: toWireSchema(fields.schema) }),
      epoch: BigInt(fields.epoch),
      userProvidedProducerName: fields.nameIsChosen,
      producerAccessMode: accessModes[fields.accessMode],
      ...(fields.topicEpoch === undefined ? {} : { topicEpoch: fields.topicEpoch }),
      txnEnabled: fields.transactions,
      ...(fields.initialSubscription === undefined ? {} : { initialSubscriptionName: fields.initialSubscription }),
    },
  });
}

export function closeProducerCommand(producerId: number, requestId: bigint): BaseCommand {
  return create(BaseCommandSchema, {
    type: BaseCommand_Type.CLOSE_PRODUCER,
    closeProducer: { producerId: BigInt(producerId), requestId },
  });
}
