import type { Client, ClientConfig } from 'pulsar-client';
import type { Broker } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { type Logger, silentLogger } from '../logger/port.ts';
import { createBrokerOn } from '../pulsar-adapter/broker.ts';
import type { SharedContext } from '../pulsar-adapter/context.ts';
import { closeNative } from './close.ts';
import type { NativeContext } from './context.ts';
import { fromAddon } from './errors.ts';
import { given } from './given.ts';
import { loadAddon } from './load.ts';
import type { Addon, PulsarNativeBrokerOptions } from './options.ts';
import { checkedConsumer, checkedProducer } from './options-checked.ts';
import { createNativeProducer } from './producer.ts';
import { createNativeReader } from './reader.ts';
import { createNativeSubscription } from './subscription.ts';

type Opened = Pick<NativeContext, 'addon' | 'client' | 'readerClient'>;

/** A broker on Apache Pulsar, by the official client. */
export interface PulsarNativeBroker extends Broker, AsyncDisposable {}

/** The addon's levels, from 0, by what a logger calls them. */
const levels = ['debug', 'info', 'warn', 'error'] as const;
const warnings = 2;

/**
 * The addon has one log for the whole process: a client that has one takes it from who had it before, and the level of the first is
 * that of all. It writes nowhere else.
 */
function logTo(logger: Logger | undefined): Pick<ClientConfig, 'log' | 'logLevel'> {
  if (logger === undefined) return {};
  return { log: (level, file, line, message) => logger[levels[level] ?? 'error']({ file, line }, message), logLevel: warnings };
}

function makeClient({ Client: Native }: Addon, config: ClientConfig): Client {
  try {
    return new Native({ tlsValidateHostname: true, ...config });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new PaystreamError('INVALID_ARGUMENT', `cannot make a Pulsar client: ${why}`, { reason: 'BAD_OPTIONS', cause: error });
  }
}

/**
 * A broker on Apache Pulsar, by the official package `pulsar-client`, a native addon. The package is loaded when the broker is first
 * used; a client that the broker made is closed with it, one that the caller gave is not.
 *
 * What differs from `@paystream/core/pulsar`:
 * - `capabilities.backlog` is false: the addon cannot tell it.
 * - `ping` resolves though the namespace is missing: the addon tells that as it tells of a missing topic, and none need be there.
 * - `capabilities.acknowledgementReceipts` is false: an acknowledgement resolves at once, and is sent within 100 ms. While there is no
 *   connection (of a topic with partitions: to all of them) it rejects with `UNAVAILABLE`.
 * - Where one partition of several is away for more than five seconds, `onOutage` tells so, and consumers are `paused` and not ready
 *   though they go on with the others: the addon says only whether all are connected.
 * - A cursor of a topic with partitions moves to the earliest, the latest or a time, not to a message (`UNSUPPORTED`).
 * - After a `seek` a new consumer takes the place of the old: on a failover subscription, perhaps behind others.
 * - With `maxUnacknowledged` below 20 one message, with the batch that it is of, is asked for ahead: it waits for room though another
 *   consumer of the subscription could take it.
 * - A receive that was aborted may still take a message, which then waits for the next.
 * - A reader sees that it was away by looking 20 times a second: `gaps` does not count a move to another broker that takes no time.
 * - A reader of which nobody receives holds up the other readers from 1,000 messages on; on a `client` of the caller's the
 *   subscriptions too, for readers have a client of their own only if the broker makes it.
 * - A reader decrypts by `consumer.privateKeyPath`; with a `cryptoKeyReader` alone it is refused (`UNSUPPORTED`).
 * - Keys that hold more than ASCII go to other partitions than those of other clients, unless all use `Murmur3_32Hash`.
 * - Refused, since the addon would change them: empty keys, a property named `length`, NUL characters in keys and properties.
 *
 * Errors: those of `@paystream/core/pulsar`, the addon's error as the cause and the name of its result in `details.result`;
 * and `FAILED_PRECONDITION` with `PACKAGE_MISSING` or `ADDON_NOT_LOADED`, which say what to do. Throws `INVALID_ARGUMENT` with
 * `BAD_OPTIONS` at once on options of producers and consumers that the addon would not bear.
 *
 * @example
 * ```ts
 * await using broker = createPulsarNativeBroker({ serviceUrl: 'pulsar://localhost:6650' });
 * const producer = await broker.createProducer({ topic: 'orders' });
 * await producer.send({ payload: new TextEncoder().encode('hello'), key: 'order-1' });
 * ```
 */
export function createPulsarNativeBroker(options: PulsarNativeBrokerOptions): PulsarNativeBroker {
  const { namespace, producer, consumer, pingTimeoutMs, addon: ofCaller, clock, logger, ...others } = options;
  const rest = given(others);
  const ofAll = { producer: checkedProducer(producer), consumer: checkedConsumer(consumer) };
  /** Those that were made here. */
  const clients: Client[] = [];
  let opening: Promise<Opened> | undefined;

  const open = async (): Promise<Opened> => {
    const addon = ofCaller ?? (await loadAddon());
    if ('client' in rest) return { addon, client: rest.client, readerClient: () => rest.client };
    const { log, ...quiet } = { ...logTo(logger), ...rest };
    const make = (config: ClientConfig): Client => {
      const client = makeClient(addon, config);
      clients.push(client);
      return client;
    };
    // A listener that is held up holds up all that its client receives, for that goes by the same thread: so readers have their own.
    let forReaders: Client | undefined;
    const readerClient = (): Client => {
      forReaders ??= make(quiet);
      return forReaders;
    };
    return { addon, client: make(log === undefined ? quiet : { ...quiet, log }), readerClient };
  };
  const opened = (): NonNullable<typeof opening> => {
    opening ??= open();
    return opening;
  };
  const contextOf = async (context: SharedContext): Promise<NativeContext> => ({ ...context, ...(await opened()), ...ofAll });

  return createBrokerOn(
    {
      name: 'pulsar-native',
      capabilities: {
        delayedDelivery: true,
        seekByTime: true,
        deadLetter: true,
        backlog: false,
        acknowledgementReceipts: false,
        durable: true,
      },
      tell: fromAddon,
      createProducer: async (context, producing) => createNativeProducer(await contextOf(context), producing),
      subscribe: async (context, subscribeOptions) => createNativeSubscription(await contextOf(context), subscribeOptions),
      createReader: async (context, readerOptions) => createNativeReader(await contextOf(context), readerOptions),
      partitionsOf: async (topic) => (await opened()).client.getPartitionsForTopic(topic),
      close: async () => {
        await opening?.catch(() => undefined);
        await Promise.all(clients.map((client) => closeNative(client, logger ?? silentLogger, {})));
      },
    },
    { namespace, pingTimeoutMs, clock, logger },
  );
}
