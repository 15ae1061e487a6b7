import type { PulsarError } from '../errors/pulsar-error.ts';
import { type BaseCommand, ResourceType, BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import type { AssignedBroker, ConsumerHandler, ProducerHandler, TopicListHandler } from './port.ts';
import { serverError } from './server-error.ts';

/** Who is told what comes over a connection, by the ids that they chose. */
export interface Registry {
  readonly producers: Map<number, ProducerHandler>;
  readonly consumers: Map<number, ConsumerHandler>;
  readonly topicLists: Map<number, TopicListHandler>;
}

/** A registry without anyone in it. */
export function createRegistry(): Registry {
  return { producers: new Map(), consumers: new Map(), topicLists: new Map() };
}

/** Whether anybody is registered. */
export function hasAny({ producers, consumers, topicLists }: Registry): boolean {
  return producers.size > 0 || consumers.size > 0 || topicLists.size > 0;
}

/** Tells everybody that the connection is gone, and forgets them. */
export function tellDisconnected(registry: Registry, error: PulsarError): void {
  const handlers = [...registry.producers.values(), ...registry.consumers.values(), ...registry.topicLists.values()];
  registry.producers.clear();
  registry.consumers.clear();
  registry.topicLists.clear();
  for (const handler of handlers) handler.onDisconnected(error);
}

interface Assigned {
  readonly assignedBrokerServiceUrl: string;
  readonly assignedBrokerServiceUrlTls: string;
}

function assignedBroker({ assignedBrokerServiceUrl, assignedBrokerServiceUrlTls }: Assigned): AssignedBroker {
  return { serviceUrl: assignedBrokerServiceUrl || undefined, serviceUrlTls: assignedBrokerServiceUrlTls || undefined };
}

/** Hands on a command that is no answer. What is for nobody, or for somebody who is gone, is dropped. */
export function dispatch(command: BaseCommand, { producers, consumers, topicLists }: Registry): void {
  switch (command.type) {
    case Type.SEND_ERROR: {
      const { sendError } = command;
      if (sendError === undefined) return;
      const error = serverError(sendError.error, sendError.message, 'SEND');
      producers.get(Number(sendError.producerId))?.onSendError(Number(BigInt.asIntN(64, sendError.sequenceId)), error);
      return;
    }
    case Type.CLOSE_PRODUCER:
      if (command.closeProducer === undefined) return;
      producers.get(Number(command.closeProducer.producerId))?.onClosed(assignedBroker(command.closeProducer));
      return;
    case Type.CLOSE_CONSUMER:
      if (command.closeConsumer === undefined) return;
      consumers.get(Number(command.closeConsumer.consumerId))?.onClosed(assignedBroker(command.closeConsumer));
      return;
    case Type.ACTIVE_CONSUMER_CHANGE:
      if (command.activeConsumerChange === undefined) return;
      consumers.get(Number(command.activeConsumerChange.consumerId))?.onActiveChange(command.activeConsumerChange.isActive);
      return;
    case Type.REACHED_END_OF_TOPIC:
      consumers.get(Number(command.reachedEndOfTopic?.consumerId))?.onEndOfTopic();
      return;
    case Type.TOPIC_MIGRATED: {
      const { topicMigrated } = command;
      if (topicMigrated === undefined) return;
      const id = Number(topicMigrated.resourceId);
      const handler = topicMigrated.resourceType === ResourceType.PRODUCER ? producers.get(id) : consumers.get(id);
      const { brokerServiceUrl, brokerServiceUrlTls } = topicMigrated;
      handler?.onMigrated({ serviceUrl: brokerServiceUrl || undefined, serviceUrlTls: brokerServiceUrlTls || undefined });
      return;
    }
    case Type.WATCH_TOPIC_UPDATE: {
      const { watchTopicUpdate } = command;
      if (watchTopicUpdate === undefined) return;
      topicLists.get(Number(watchTopicUpdate.watcherId))?.onUpdate(watchTopicUpdate);
      return;
    }
  }
}
