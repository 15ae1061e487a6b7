import type { MessageId, Producer, ProducerState } from '@paystream/pulsar';
import type { BrokerProducer, BrokerProducerOptions, OutgoingMessage } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { checkMessage } from '../pulsar-adapter/check-message.ts';
import { createRenewed } from '../pulsar-adapter/renewed.ts';
import { sendInOrder } from '../pulsar-adapter/send-in-order.ts';
import type { Subject } from '../pulsar-adapter/subject.ts';
import type { AdapterContext } from './context.ts';
import { fromPulsar } from './errors.ts';

/** How many messages may be on their way at once; more wait. */
const maxPendingMessages = 10_000;

/** What a producer of the client does not come back from by itself. */
const ended: ReadonlySet<ProducerState> = new Set<ProducerState>(['fenced', 'terminated', 'failed']);

/** The group of a key: nothing that partitions are chosen by, so that each has keys of all groups. */
function groupOf(key: string, groups: number): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  return String((hash >>> 0) % groups);
}

function checkGroups(topic: string, groups: number): void {
  if (Number.isSafeInteger(groups) && groups > 0) return;
  throw new PaystreamError('INVALID_ARGUMENT', `keyGroups of topic "${topic}" is ${groups}; it must be a whole number of at least 1`, {
    reason: 'BAD_OPTIONS',
    details: { topic },
  });
}

/** A producer of one topic. */
export async function createPulsarProducer(
  context: AdapterContext,
  { topic, initialSubscription }: BrokerProducerOptions,
): Promise<BrokerProducer> {
  const details = { topic };
  const closedError = (): PaystreamError =>
    new PaystreamError('FAILED_PRECONDITION', `the producer of topic "${topic}" is closed`, { reason: 'PRODUCER_CLOSED', details });
  const about = (what: string): Subject => ({ what, details, closed: closedError, publishing: true });
  const sending = about(`cannot publish to topic "${topic}"`);
  let closed: Promise<void> | undefined;
  const { keyGroups, ...options } = context.producerOptions(topic) ?? {};
  if (keyGroups !== undefined) checkGroups(topic, keyGroups);

  const make = async (): Promise<Producer> => {
    try {
      return await context.client.createProducer({
        batching: { keyed: true },
        maxPendingMessages,
        ...options,
        blockIfQueueFull: true,
        ...(initialSubscription === undefined ? {} : { initialSubscription }),
        topic: context.fullName(topic),
      });
    } catch (error) {
      throw fromPulsar(error, about(`cannot make a producer of topic "${topic}"`));
    }
  };
  const renewed = await createRenewed({ clock: context.clock, make, hasParts: ({ partitions }) => partitions > 0, closedError });

  /** Never throws once it is known to be a message: what fails the promise tells. */
  const send = (producer: Producer, message: OutgoingMessage): ReturnType<Producer['send']> => {
    const { payload, key, properties, eventTimeMs, deliverAtMs } = message;
    const orderingKey = keyGroups === undefined || key === undefined ? undefined : groupOf(key, keyGroups);
    return producer.send({ value: payload, key, orderingKey, properties, eventTimeMs, deliverAtMs });
  };

  const failed = (error: unknown, producer: Producer | undefined): PaystreamError => {
    if (producer !== undefined && ended.has(producer.state)) renewed.ended(producer);
    return fromPulsar(error, sending);
  };

  /** What becomes of a send: without a closure for each. */
  const idOf = (id: MessageId): string => id.toString();
  let telling: { readonly of: Producer; readonly tell: (error: unknown) => never } | undefined;
  const tellOf = (producer: Producer): ((error: unknown) => never) => {
    if (telling?.of !== producer) {
      const tell = (error: unknown): never => {
        throw failed(error, producer);
      };
      telling = { of: producer, tell };
    }
    return telling.tell;
  };
  const sendLater = async (made: Promise<Producer>, message: OutgoingMessage): Promise<string> => {
    let producer: Producer | undefined;
    try {
      producer = await made;
      return idOf(await send(producer, message));
    } catch (error) {
      throw failed(error, producer);
    }
  };

  const end = async (): Promise<void> => {
    context.closed(result);
    await renewed.close();
  };

  const result: BrokerProducer = {
    topic,
    // Not async: what waits for the answer then holds neither the message nor a promise more.
    send: (message) => {
      if (closed !== undefined) return Promise.reject(closedError());
      try {
        checkMessage(topic, message);
        const got = renewed.get();
        return got instanceof Promise ? sendLater(got, message) : send(got, message).then(idOf, tellOf(got));
      } catch (error) {
        return Promise.reject(failed(error, undefined));
      }
    },
    sendAll: async (messages) => {
      if (closed !== undefined) throw closedError();
      let producer: Producer | undefined;
      try {
        // All before the first is sent, which somebody has to wait for.
        for (const message of messages) checkMessage(topic, message);
        const got = renewed.get();
        const by = got instanceof Promise ? await got : got;
        producer = by;
        await sendInOrder(messages, (message) => send(by, message));
      } catch (error) {
        throw failed(error, producer);
      }
    },
    // Whoever sent is told what failed; that it has settled is all that is asked here.
    flush: () => renewed.flush(),
    close: () => {
      closed ??= end();
      return closed;
    },
  };
  return result;
}
