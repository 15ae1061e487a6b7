import type { Reader } from '@paystream/pulsar';
import type { BrokerReader, IncomingMessage, ReaderOptions } from '../broker/port.ts';
import { checkMax, WaitList } from '../embedded/broker/wait-list.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { AdapterContext } from './context.ts';
import { fromPulsar, type Subject } from './errors.ts';
import { Received } from './received.ts';
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
  let connections = 0;
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
        onConnected: () => {
          connections += 1;
        },
      },
    });
  } catch (error) {
    throw fromPulsar(error, about(`cannot read topic "${topic}"`));
  }
  // Of a partitioned topic each partition connects.
  const atFirst = connections;

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
    for (const message of [first, ...more]) ready.push(new Received(message, topic, message.id.toString(), 0));
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
    // What was published while it was away may be gone when it is back.
    get gaps() {
      return Math.max(0, connections - atFirst);
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
