import type { Broker, IncomingMessage } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Topic } from '../topic/topic.ts';
import { createDecode } from './decode.ts';
import { createForwarder } from './forwarder.ts';
import type { Delivery, MessageStream, MessageStreamOptions, StreamedDelivery } from './port.ts';
import { createReception } from './reception.ts';
import { commonSettings } from './settings.ts';
import { createSource, type Held, type Source } from './source.ts';

/** How long acknowledgements may take when the stream is closed. */
const flushLimitMs = 5_000;

interface Waiting<T> {
  readonly resolve: (next: IteratorResult<StreamedDelivery<T>, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

interface Streamed<T> extends Held {
  readonly delivery: StreamedDelivery<T>;
}

function streamed<T>(delivery: Delivery<T>, message: IncomingMessage, source: Source): Streamed<T> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let settled = false;
  const held: Streamed<T> = {
    message,
    onAcknowledged: (error) => (error === undefined ? resolve() : reject(error)),
    delivery: {
      ...delivery,
      acknowledge: () => {
        if (!settled) source.acknowledge(held);
        settled = true;
        return promise;
      },
      negativeAcknowledge: (delayMs = 1_000) => {
        if (settled) return;
        settled = true;
        source.giveBack(held, delayMs);
        resolve();
      },
    },
  };
  return held;
}

/**
 * Receives a topic for a `for await` loop. Acknowledge each message, or give it back; at most `maxInFlight` are out at once.
 * What does not decode goes to the dead-letter topic and is not seen. Leaving the loop closes the stream.
 *
 * Throws as `createConsumer`; the loop throws `CANCELED` if the broker is closed under it.
 *
 * @example
 * for await (const message of await createMessageStream(broker, signups, { subscription: 'audit' })) {
 *   await store(message.value);
 *   await message.acknowledge();
 * }
 */
export async function createMessageStream<T, I>(
  broker: Broker,
  topic: Topic<T, I>,
  options: MessageStreamOptions,
): Promise<MessageStream<T>> {
  const settings = commonSettings(broker, topic, options);
  const { clock, maxInFlight, type, initialPosition } = settings;
  const reception = createReception(topic.name, settings);
  const [stopping, ended] = [new AbortController(), new AbortController()];
  const subscription = await broker.subscribe({
    topic: topic.name,
    subscription: settings.subscription,
    type,
    initialPosition,
    maxUnacknowledged: maxInFlight,
    onOutage: reception.told,
  });
  const forwarder = createForwarder(broker, settings, stopping.signal);
  const forwarding = new Set<Promise<void>>();
  const decode = createDecode(topic as Topic<T, never>, settings, forwarder, (work) => {
    forwarding.add(work);
    void work.finally(() => forwarding.delete(work));
  });
  let ready: StreamedDelivery<T>[] = [];
  let waiting: Waiting<T>[] = [];
  let lost: PaystreamError | undefined;
  let closing: Promise<void> | undefined;

  const hand = (delivery: StreamedDelivery<T>): void => {
    const next = waiting.shift();
    if (next === undefined) ready.push(delivery);
    else next.resolve({ done: false, value: delivery });
  };

  const source = createSource({
    subscription,
    limit: maxInFlight,
    settings,
    reception,
    held: () => false,
    accept: (message, from) =>
      decode(message, from, (delivery) => {
        const held = streamed(delivery, message, from);
        hand(held.delivery);
        return held;
      }),
    ended: ended.signal,
    onChange: () => undefined,
  });
  const intake = source.run(stopping.signal).catch((error: unknown) => {
    lost = PaystreamError.from(error);
    const waited = waiting;
    waiting = [];
    for (const { reject } of waited) reject(lost);
  });

  const shutDown = async (): Promise<void> => {
    stopping.abort(new PaystreamError('CANCELED', 'the stream was closed', { reason: 'CLOSED' }));
    ready = [];
    for (const { resolve } of waiting.splice(0)) resolve({ done: true, value: undefined });
    await intake;
    await Promise.all(forwarding);
    const flushLimit = clock.setTimer(flushLimitMs, () => ended.abort());
    await source.flush();
    flushLimit.cancel();
    ended.abort();
    await Promise.all([forwarder.close(), subscription.close()]);
    reception.end();
  };
  const close = (): Promise<void> => {
    closing ??= shutDown();
    return closing;
  };

  const next = (): Promise<IteratorResult<StreamedDelivery<T>, undefined>> => {
    const delivery = closing === undefined ? ready.shift() : undefined;
    if (delivery !== undefined) return Promise.resolve({ done: false, value: delivery });
    if (closing !== undefined) return Promise.resolve({ done: true, value: undefined });
    if (lost !== undefined) return Promise.reject(lost);
    return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  };

  return {
    topic: topic.name,
    subscription: settings.subscription,
    [Symbol.asyncIterator]: () => ({
      next,
      return: async () => {
        await close();
        return { done: true, value: undefined };
      },
    }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
