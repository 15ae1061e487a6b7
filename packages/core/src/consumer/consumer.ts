import type { Broker, BrokerSubscription, IncomingMessage, SubscriptionType } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Topic } from '../topic/topic.ts';
import { createCalls } from './calls.ts';
import { createDecode } from './decode.ts';
import { createDispatcher } from './dispatcher.ts';
import { createForwarder } from './forwarder.ts';
import { createLanes } from './lanes.ts';
import { createPause } from './pause.ts';
import type { Consumer, ConsumerOptions, ConsumerStatus } from './port.ts';
import { createReception, type Reception } from './reception.ts';
import { type CommonSettings, consumerSettings } from './settings.ts';
import { createSource, type Held, type Source } from './source.ts';

/** How long acknowledgements may take once all handlers have settled. */
const flushLimitMs = 5_000;

interface Part {
  readonly topic: string;
  readonly type: SubscriptionType;
  readonly limit: number;
  readonly reception: Reception;
}

/** The topics that a consumer receives from, and how they share what may be in flight. */
function partsOf(settings: CommonSettings): readonly Part[] {
  const { topic, type, maxInFlight, retry, retryTopic } = settings;
  const reception = createReception(topic.name, settings);
  if (retry.mode === 'in-lane') return [{ topic: topic.name, type, limit: maxInFlight, reception }];
  const forRetries = Math.max(1, Math.floor(maxInFlight / 10));
  return [
    { topic: topic.name, type, limit: maxInFlight - forRetries, reception },
    { topic: retryTopic, type: 'shared', limit: forRetries, reception: createReception(retryTopic, settings) },
  ];
}

async function subscribeAll(broker: Broker, settings: CommonSettings, parts: readonly Part[]): Promise<BrokerSubscription[]> {
  const subscriptions: BrokerSubscription[] = [];
  try {
    for (const { topic, type, limit, reception } of parts) {
      const initialPosition = topic === settings.topic.name ? settings.initialPosition : 'earliest';
      const { subscription } = settings;
      const { told: onOutage } = reception;
      subscriptions.push(await broker.subscribe({ topic, subscription, type, initialPosition, maxUnacknowledged: limit, onOutage }));
    }
    return subscriptions;
  } catch (error) {
    await Promise.allSettled(subscriptions.map((subscription) => subscription.close()));
    throw error;
  }
}

/**
 * Starts a consumer of a topic. The caller closes it; the broker stays open.
 *
 * Throws `INVALID_ARGUMENT` for an option out of range, `UNSUPPORTED` for retry mode `topic` with a broker that cannot delay
 * messages, and what the broker says if the subscription is taken.
 *
 * @example
 * const consumer = await createConsumer(broker, signups, {
 *   subscription: 'welcome-mail',
 *   concurrency: 32,
 *   handler: async (signup, { signal }) => sendWelcome(signup.email, { signal }),
 * });
 */
export async function createConsumer<T, I>(broker: Broker, topic: Topic<T, I>, options: ConsumerOptions<T>): Promise<Consumer> {
  const settings = consumerSettings(broker, topic, options);
  const { clock, logger, telemetry } = settings;
  const labels = { topic: topic.name, subscription: settings.subscription };
  const [stopping, aborting, ended] = [new AbortController(), new AbortController(), new AbortController()];
  const parts = partsOf(settings);
  const subscriptions = await subscribeAll(broker, settings, parts);

  const lanes = createLanes<T>();
  const calls = createCalls(settings);
  const forwarder = createForwarder(broker, settings, aborting.signal);
  const pause = createPause(settings, stopping.signal, () => {
    dispatcher.pump();
    for (const source of sources) source.wake();
  });
  const dispatcher = createDispatcher({
    settings,
    lanes,
    calls,
    pause,
    forwarder,
    stopping: stopping.signal,
    aborting: aborting.signal,
  });
  let lost: PaystreamError | undefined;
  let closing: Promise<void> | undefined;
  let closed = false;

  const decode = createDecode(settings.topic, settings, forwarder, dispatcher.track);
  const accept = (message: IncomingMessage, source: Source): Held =>
    decode(message, source, (delivery) => lanes.add(source, message, delivery));
  const inFlight = (): number => sources.reduce((sum, source) => sum + source.inFlight, 0);
  const cutOffBy = (): string | undefined => parts.find(({ reception }) => reception.reason !== undefined)?.reception.reason;
  const pausedBy = (): string | undefined => pause.reason ?? cutOffBy();
  const sources: readonly Source[] = subscriptions.map((subscription, index) => {
    const { limit, reception } = parts[index] as Part;
    return createSource({
      subscription,
      limit,
      settings,
      reception,
      held: () => pause.reason !== undefined,
      accept,
      ended: ended.signal,
      onChange: () => {
        dispatcher.pump();
        telemetry.gauge('paystream_consumer_in_flight', labels, inFlight());
        telemetry.gauge('paystream_consumer_waiting', labels, lanes.available);
      },
    });
  });
  const intake = Promise.all(
    sources.map((source) =>
      source.run(stopping.signal).catch((error: unknown) => {
        lost = PaystreamError.from(error);
        // Nothing can be acknowledged any more: what is not begun is left to whoever receives it next.
        stopping.abort(lost);
        aborting.abort(lost);
        logger.error({ ...labels, err: lost }, 'the subscription was closed: nothing more is received');
      }),
    ),
  );

  /** What it held is up to others now; as long as the process lives, what is watched would stay as it was. */
  const leaveNoGauge = (): void => {
    pause.end();
    for (const { reception } of parts) reception.end();
    for (const name of ['paystream_consumer_in_flight', 'paystream_consumer_waiting']) telemetry.gauge(name, labels, 0);
  };

  const shutDown = async (timeoutMs: number): Promise<void> => {
    stopping.abort(new PaystreamError('CANCELED', 'the consumer is stopping', { reason: 'CLOSED' }));
    const deadline = clock.setTimer(timeoutMs, () => {
      const reason = new PaystreamError('CANCELED', `the consumer was told to stop within ${timeoutMs} ms`, { reason: 'STOP_DEADLINE' });
      calls.abort(reason);
      aborting.abort(reason);
    });
    await intake;
    await dispatcher.idle();
    deadline.cancel();
    const flushLimit = clock.setTimer(flushLimitMs, () => ended.abort());
    await Promise.all(sources.map((source) => source.flush()));
    flushLimit.cancel();
    ended.abort();
    calls.close();
    const results = await Promise.allSettled([forwarder.close(), ...subscriptions.map((subscription) => subscription.close())]);
    closed = true;
    leaveNoGauge();
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  };

  const stateOf = (): ConsumerStatus['state'] => {
    if (closed || lost !== undefined) return 'stopped';
    if (stopping.signal.aborted) return 'stopping';
    return pausedBy() === undefined ? 'running' : 'paused';
  };
  const close = (timeoutMs = 10_000): Promise<void> => {
    closing ??= shutDown(timeoutMs);
    return closing;
  };

  return {
    topic: topic.name,
    subscription: settings.subscription,
    get status() {
      return { state: stateOf(), inFlight: inFlight(), postponed: dispatcher.postponed, pausedBy: pausedBy() };
    },
    check: async () => {
      const [state, by] = [stateOf(), pausedBy()];
      if (state === 'running') return;
      throw new PaystreamError('UNAVAILABLE', `the consumer of ${topic.name} is ${state}${by === undefined ? '' : ` by ${by}`}`, {
        reason: 'CONSUMER_NOT_RUNNING',
        cause: lost,
      });
    },
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}
