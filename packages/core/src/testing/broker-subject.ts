import assert from 'node:assert/strict';
import type { Broker, BrokerReader, BrokerSubscription, IncomingMessage, OutgoingMessage, SubscribeOptions } from '../broker/port.ts';
import type { Clock } from '../clock/port.ts';
import { type ErrorCode, PaystreamError } from '../errors/paystream-error.ts';
import type { ConformanceCase } from './conformance.ts';

/**
 * What cases for brokers may need: an optional ability of the port, that the subject can be restarted, that the broker
 * counts as delivered what a consumer had when it left, or that a consumer which may hold few messages keeps none from the
 * others beyond those.
 */
export type BrokerAbility = keyof Broker['capabilities'] | 'restart' | 'departureCount' | 'noneAhead';

/** What cases for brokers are run against. */
export interface BrokerUnderTest {
  /** The broker; after a restart another one. */
  readonly broker: Broker;
  /** What the cases measure and wait by. */
  readonly clock: Clock;
  /** A name for a topic that no case has used before, with a prefix that says what for. */
  uniqueName(prefix: string): string;
  /** Ends the broker and starts it again on what it has stored. Needed for the ability `restart`. */
  restart?(): Promise<void>;
}

/** A case for brokers. */
export type BrokerCase = ConformanceCase<BrokerUnderTest> & { readonly needs?: readonly BrokerAbility[] };

/** The optional abilities that a broker says it has, for `bindCases`. */
export function brokerAbilities(broker: Broker): BrokerAbility[] {
  const { capabilities } = broker;
  return (Object.keys(capabilities) as (keyof Broker['capabilities'])[]).filter((ability) => capabilities[ability]);
}

/** How long a case waits for what must happen, in milliseconds. */
const patienceMs = 30_000;
/** How long a case watches for what must not happen, in milliseconds. */
export const quietMs = 400;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function bytes(text: string): Uint8Array {
  return encoder.encode(text);
}

export function text(message: IncomingMessage): string {
  return decoder.decode(message.payload);
}

export function texts(messages: readonly IncomingMessage[]): string[] {
  return messages.map(text);
}

export function numbered(count: number, prefix = 'm'): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}

/** Publishes one after the other, each when the one before is stored; gives their ids. */
export async function publish(subject: BrokerUnderTest, topic: string, messages: readonly (string | OutgoingMessage)[]): Promise<string[]> {
  const producer = await subject.broker.createProducer({ topic });
  const ids: string[] = [];
  for (const message of messages) ids.push(await producer.send(typeof message === 'string' ? { payload: bytes(message) } : message));
  await producer.close();
  return ids;
}

/** Publishes all at once under one key, so that an adapter may store them as one; gives their ids. */
export async function publishTogether(subject: BrokerUnderTest, topic: string, messages: readonly string[]): Promise<string[]> {
  const producer = await subject.broker.createProducer({ topic });
  const ids = await Promise.all(messages.map((message) => producer.send({ payload: bytes(message), key: 'k' })));
  await producer.close();
  return ids;
}

/** A subscription that begins with the first message unless told otherwise. */
export function subscribe(
  subject: BrokerUnderTest,
  topic: string,
  options: Partial<Omit<SubscribeOptions, 'topic'>> = {},
): Promise<BrokerSubscription> {
  return subject.broker.subscribe({ topic, subscription: 'sub', initialPosition: 'earliest', ...options });
}

type Receiver = Pick<BrokerSubscription | BrokerReader, 'receive'>;

/** Runs with a signal that is aborted after a while. */
async function within<T>(subject: Pick<BrokerUnderTest, 'clock'>, ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const timer = subject.clock.setTimer(ms, () => controller.abort(new Error(`nothing came within ${ms} ms`)));
  try {
    return await work(controller.signal);
  } finally {
    timer.cancel();
  }
}

/** Receives exactly so many. */
export async function receive(subject: Pick<BrokerUnderTest, 'clock'>, from: Receiver, count: number): Promise<IncomingMessage[]> {
  const got: IncomingMessage[] = [];
  while (got.length < count) {
    try {
      got.push(...(await within(subject, patienceMs, (signal) => from.receive(count - got.length, signal))));
    } catch (error) {
      assert.fail(`expected ${count} messages, got ${got.length} (${texts(got.slice(-5)).join(', ')}): ${String(error)}`);
    }
  }
  assert.equal(got.length, count, 'receive gave more messages than were asked for');
  return got;
}

/** Receives whatever comes from several at once, in small steps, until there are so many in all; of those that count. */
export async function receiveFromAll(
  subject: BrokerUnderTest,
  from: readonly Receiver[],
  count: number,
  counts: (message: IncomingMessage) => boolean = () => true,
): Promise<IncomingMessage[][]> {
  let left = count;
  return within(subject, patienceMs, async (signal) => {
    const done = new AbortController();
    const either = AbortSignal.any([signal, done.signal]);
    return Promise.all(
      from.map(async (receiver) => {
        const got: IncomingMessage[] = [];
        while (left > 0) {
          try {
            const messages = await receiver.receive(1, either);
            got.push(...messages);
            left -= messages.filter(counts).length;
            if (left <= 0) done.abort();
          } catch (error) {
            if (!done.signal.aborted) assert.fail(`${left} of ${count} messages did not come: ${String(error)}`);
          }
        }
        return got;
      }),
    );
  });
}

/** Fails if anything is received within `ms`. */
export async function receiveNothing(subject: BrokerUnderTest, from: Receiver, ms: number = quietMs): Promise<void> {
  const quiet = new Error('quiet');
  const controller = new AbortController();
  const timer = subject.clock.setTimer(ms, () => controller.abort(quiet));
  try {
    const messages = await from.receive(10, controller.signal);
    assert.fail(`nothing was to come, but came: ${texts(messages).join(', ')}`);
  } catch (error) {
    if (error !== quiet) throw error;
  } finally {
    timer.cancel();
  }
}

/** Waits until a condition holds. */
export async function eventually(subject: BrokerUnderTest, what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = subject.clock.monotonic() + patienceMs;
  while (!(await holds())) {
    if (subject.clock.monotonic() > deadline) assert.fail(`${what}: not within ${patienceMs} ms`);
    await subject.clock.sleep(20);
  }
}

/** Waits until so many messages are not acknowledged, where the broker can tell. */
export async function backlogIs(subject: BrokerUnderTest, consumer: BrokerSubscription, count: number): Promise<void> {
  if (!subject.broker.capabilities.backlog) return;
  await eventually(subject, `${count} messages are not acknowledged`, async () => (await consumer.backlog()) === count);
}

/** Fails unless a promise rejects with a `PaystreamError` of this code, and reason if given. */
export async function rejectsWith(promise: Promise<unknown>, code: ErrorCode, reason?: string): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(PaystreamError.is(error), `expected a PaystreamError, got ${String(error)}`);
    assert.equal(error.code, code, error.toString());
    if (reason !== undefined) assert.equal(error.reason, reason, error.toString());
    return true;
  });
}
