import type { Reader } from '@paystream/pulsar';
import type { BrokerReader, IncomingMessage, ReaderOptions } from '../broker/port.ts';
import { checkMax, WaitList } from '../embedded/broker/wait-list.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { Received } from '../pulsar-adapter/received.ts';
import type { Subject } from '../pulsar-adapter/subject.ts';
import { contentOf } from './content.ts';
import type { AdapterContext } from './context.ts';
import { fromPulsar } from './errors.ts';
import { seekPosition } from './subscription.ts';

/** How many messages are asked for in advance. */
const queueSize = 1_000;

/** Reads a topic without a durable cursor. */
export async function createPulsarReader(context: AdapterContext, { topic, start = 'latest' }: ReaderOptions): Promise<BrokerReader> {
  const details = { topic };
  const closedError = (): PaystreamError =>
    new PaystreamError('CANCELED', `the reader of topic "${topic}" is closed`, { reason: 'READER_CLOSED', details });
  const about = (what: string): Subject => ({ what, details, closed: closedError });
  const waiting = new WaitList<undefined>();
  /** The topic, or its partitions, that were connected to before. */
  const known = new Set<string>();
  let gaps = 0;
  let closed: Promise<void> | undefined;
  let fetching = false;
  let ready: IncomingMessage[] = [];

  let reader: Reader;
  try {
    reader = await context.client.createReader({
      topic: context.fullName(topic),
      start: seekPosition(start),
      startInclusive: true,
      receiverQueueSize: queueSize,
      events: {
        onConnected: (name) => {
          // What was published while it was away may be gone now that it is back.
          if (known.has(name)) gaps += 1;
          known.add(name);
        },
      },
    });
  } catch (error) {
    throw fromPulsar(error, about(`cannot read topic "${topic}"`));
  }
  const take = (max: number): IncomingMessage[] => {
    if (ready.length <= max) {
      const all = ready;
      ready = [];
      return all;
    }
    return ready.splice(0, max);
  };

  const fetch = async (): Promise<void> => {
    const first = await reader.receive();
    const more = await reader.receiveBatch({ maxMessages: queueSize, timeoutMs: 0 });
    for (const message of [first, ...more]) ready.push(new Received(contentOf(message), topic, message.id.toString(), 0));
  };

  const pump = (): void => {
    if (closed !== undefined) return;
    waiting.serve((waiter) => take(waiter.max));
    if (fetching || waiting.size === 0) return;
    fetching = true;
    fetch().then(
      () => {
        fetching = false;
        pump();
      },
      (error: unknown) => {
        fetching = false;
        waiting.reject(undefined, fromPulsar(error, about(`cannot read topic "${topic}"`)));
      },
    );
  };

  const end = async (): Promise<void> => {
    waiting.reject(undefined, closedError());
    context.closed(result);
    await reader.close();
  };

  const result: BrokerReader = {
    topic,
    get gaps() {
      return gaps;
    },
    receive: async (max, signal) => {
      signal?.throwIfAborted();
      checkMax(max);
      if (closed !== undefined) throw closedError();
      const messages = waiting.size === 0 ? take(max) : [];
      if (messages.length > 0) return messages;
      const served = waiting.wait(undefined, max, signal);
      pump();
      return served;
    },
    close: () => {
      closed ??= end();
      return closed;
    },
  };
  return result;
}
