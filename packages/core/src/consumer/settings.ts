import { deadLetterSubscription } from '../broker/dead-letters.ts';
import type { Broker, SubscriptionType } from '../broker/port.ts';
import type { Clock } from '../clock/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { type Logger, silentLogger } from '../logger/port.ts';
import type { Random } from '../random/port.ts';
import { systemRandom } from '../random/system-random.ts';
import { noTelemetry, type Telemetry } from '../telemetry/port.ts';
import type { Topic } from '../topic/topic.ts';
import type { ConsumerOptions, Delivery, HandlerContext, RetryPolicy } from './port.ts';

/** Calls the user's code for some messages of which it may be told that they are handled or not, all together. */
type Invoke<T> = (batch: readonly Delivery<T>[], context: HandlerContext) => Promise<void>;

/** The options that every kind of consumer has, with nothing left open. */
export interface CommonSettings {
  /** The broker's name. */
  readonly system: string;
  readonly topic: { readonly name: string };
  readonly subscription: string;
  readonly type: SubscriptionType;
  readonly initialPosition: 'earliest' | 'latest';
  readonly retry: Required<RetryPolicy>;
  readonly retryTopic: string;
  readonly deadLetterTopic: string;
  readonly deadLetterSubscription: string | false;
  readonly maxInFlight: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
}

/** The options of a consumer with nothing left open: one shape for both kinds of handler. */
export interface ConsumerSettings<T> extends CommonSettings {
  readonly topic: Topic<T, never>;
  readonly maxBatchSize: number;
  readonly concurrency: number;
  readonly lingerMs: number;
  readonly invoke: Invoke<T>;
  /** Never throws. */
  readonly errorOf: (thrown: unknown) => PaystreamError;
}

const defaultRetry = {
  mode: 'in-lane',
  attempts: 5,
  delayMs: 100,
  maxDelayMs: 30_000,
  // Servers that are set up for it let go within minutes of what a client had locked that vanished.
  maxPostponedMs: 3_600_000,
} as const satisfies Required<RetryPolicy>;

function atLeast(least: number, name: string, value: number): number {
  if (value >= least && (Number.isSafeInteger(value) || value === Number.POSITIVE_INFINITY)) return value;
  throw new PaystreamError('INVALID_ARGUMENT', `${name} is ${value}; it must be a whole number of at least ${least}`, {
    reason: 'INVALID_CONSUMER_OPTION',
    details: { option: name, value: String(value) },
  });
}

function named(name: string, value: string): string {
  if (value !== '') return value;
  throw new PaystreamError('INVALID_ARGUMENT', `${name} is empty`, {
    reason: 'INVALID_CONSUMER_OPTION',
    details: { option: name, value },
  });
}

function invokeOf<T>(options: ConsumerOptions<T>): Invoke<T> {
  if ('handleBatch' in options) return options.handleBatch;
  const { handler } = options;
  return (batch, context) => {
    const delivery = batch[0] as Delivery<T>;
    return handler(delivery.value, {
      get signal() {
        return context.signal;
      },
      delivery,
    });
  };
}

function errorOf(tell: ConsumerOptions<never>['errorOf']): (thrown: unknown) => PaystreamError {
  return (thrown) => {
    if (tell === undefined || PaystreamError.is(thrown)) return PaystreamError.from(thrown);
    try {
      return PaystreamError.from(tell(thrown));
    } catch {
      return PaystreamError.from(thrown);
    }
  };
}

/** The options that every kind of consumer has. */
type SharedOptions = Pick<
  ConsumerOptions<never>,
  | 'subscription'
  | 'type'
  | 'initialPosition'
  | 'retry'
  | 'deadLetterTopic'
  | 'deadLetterSubscription'
  | 'maxInFlight'
  | 'timeoutMs'
  | 'clock'
  | 'random'
  | 'logger'
  | 'telemetry'
>;

function retrySettings(broker: Broker, policy: RetryPolicy = {}): Required<RetryPolicy> {
  const mode = policy.mode ?? defaultRetry.mode;
  if (mode === 'topic' && !broker.capabilities.delayedDelivery) {
    throw new PaystreamError(
      'UNSUPPORTED',
      `the broker "${broker.name}" cannot delay messages, which retry mode "topic" needs; use "in-lane"`,
      {
        reason: 'DELAYED_DELIVERY_UNSUPPORTED',
      },
    );
  }
  return {
    mode,
    attempts: atLeast(1, 'retry.attempts', policy.attempts ?? defaultRetry.attempts),
    delayMs: atLeast(0, 'retry.delayMs', policy.delayMs ?? defaultRetry.delayMs),
    maxDelayMs: atLeast(0, 'retry.maxDelayMs', policy.maxDelayMs ?? defaultRetry.maxDelayMs),
    maxPostponedMs: atLeast(0, 'retry.maxPostponedMs', policy.maxPostponedMs ?? defaultRetry.maxPostponedMs),
  };
}

/** Fills in the defaults that every kind of consumer has. Throws as {@link consumerSettings}. */
export function commonSettings(broker: Broker, topic: { readonly name: string }, options: SharedOptions): CommonSettings {
  const retry = retrySettings(broker, options.retry);
  const keptFor = options.deadLetterSubscription ?? deadLetterSubscription;
  return {
    system: broker.name,
    topic,
    subscription: options.subscription,
    type: options.type ?? 'key-shared',
    initialPosition: options.initialPosition ?? 'earliest',
    retry,
    retryTopic: `${topic.name}-${options.subscription}-retry`,
    deadLetterTopic: named('deadLetterTopic', options.deadLetterTopic ?? `${topic.name}-${options.subscription}-dlq`),
    deadLetterSubscription: keptFor === false ? keptFor : named('deadLetterSubscription', keptFor),
    // Two topics share the bound in mode `topic`, so there must be one for each.
    maxInFlight: atLeast(retry.mode === 'topic' ? 2 : 1, 'maxInFlight', options.maxInFlight ?? 1_000),
    timeoutMs: atLeast(0, 'timeoutMs', options.timeoutMs ?? 30_000),
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    logger: options.logger ?? silentLogger,
    telemetry: options.telemetry ?? noTelemetry,
  };
}

/** Fills in defaults. Throws `INVALID_ARGUMENT` for a number out of range, `UNSUPPORTED` for what the broker cannot do. */
export function consumerSettings<T, I>(broker: Broker, topic: Topic<T, I>, options: ConsumerOptions<T>): ConsumerSettings<T> {
  const batched = 'handleBatch' in options;
  return {
    ...commonSettings(broker, topic, options),
    topic: topic as Topic<T, never>,
    maxBatchSize: batched ? atLeast(1, 'maxBatchSize', options.maxBatchSize ?? 256) : 1,
    concurrency: atLeast(1, 'concurrency', options.concurrency ?? (batched ? 1 : 16)),
    lingerMs: batched ? atLeast(0, 'lingerMs', options.lingerMs ?? 0) : 0,
    invoke: invokeOf(options),
    errorOf: errorOf(options.errorOf),
  };
}
