import type { BrokerProducer, OutgoingMessage } from '../../broker/port.ts';
import { PaystreamError } from '../../errors/paystream-error.ts';
import type { Engine } from './engine.ts';
import { type StoredMessage, toStored } from './entry.ts';
import type { TopicState } from './topic-state.ts';

/** A producer of one topic. */
export function createBrokerProducer(engine: Engine, state: TopicState, maxMessageBytes: number, onClose: () => void): BrokerProducer {
  const topic = state.log.name;
  let closed = false;

  const accept = (message: OutgoingMessage): StoredMessage => {
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
