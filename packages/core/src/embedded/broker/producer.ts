import type { BrokerProducer, OutgoingMessage } from '../../broker/port.ts';
import { PaystreamError } from '../../errors/paystream-error.ts';
import type { Engine } from './engine.ts';
import { type StoredMessage, toStored } from './entry.ts';
import type { TopicState } from './topic-state.ts';

/** A producer of one topic. */
export function createBrokerProducer(engine: Engine, state: TopicState, maxMessageBytes: number, onClose: () => void): BrokerProducer {
  const topic = state.log.name;
  let closed = false;

  const refuse = (what: string): never => {
    throw new PaystreamError('INVALID_ARGUMENT', `a message for topic "${topic}" ${what}`, { reason: 'BAD_MESSAGE', details: { topic } });
  };
  // Here, and not at the commit: there it would fail the messages of others too.
  const accept = (message: OutgoingMessage): StoredMessage => {
    if (!(message.payload instanceof Uint8Array)) refuse('has a payload that is not a Uint8Array');
    if (message.key !== undefined && typeof message.key !== 'string') refuse('has a key that is not a string');
    for (const name in message.properties) {
      if (typeof message.properties[name] !== 'string') refuse(`has a property "${name}" that is not a string`);
    }
    if (message.payload.length > maxMessageBytes) {
      throw new PaystreamError(
        'INVALID_ARGUMENT',
        `a message of ${message.payload.length} bytes is larger than the ${maxMessageBytes} that topic "${topic}" takes`,
        { reason: 'MESSAGE_TOO_LARGE', details: { topic, limit: String(maxMessageBytes) } },
      );
    }
    return toStored(message);
  };
  const checkOpen = (): void => {
    if (!closed) return;
    throw new PaystreamError('FAILED_PRECONDITION', `the producer of topic "${topic}" is closed`, {
      reason: 'PRODUCER_CLOSED',
      details: { topic },
    });
  };
  return {
    topic,
    send: async (message) => {
      checkOpen();
      return engine.publish(state, [accept(message)]);
    },
    sendAll: async (messages) => {
      checkOpen();
      if (messages.length > 0) await engine.publish(state, messages.map(accept));
    },
    flush: engine.settled,
    close: async () => {
      if (!closed) {
        closed = true;
        onClose();
      }
      await engine.settled();
    },
  };
}
