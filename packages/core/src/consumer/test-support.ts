import { z } from 'zod';
import type { Broker, BrokerProducer, BrokerSubscription, IncomingMessage } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { createProducer } from '../producer/producer.ts';
import type { TestWorld } from '../testing/test-world.ts';
import { json } from '../topic/json-codec.ts';
import { defineTopic, type Topic } from '../topic/topic.ts';
import type { ConsumerOptions } from './port.ts';

/** What the tests of the consumer send. */
export interface Step {
  readonly key: string;
  readonly n: number;
}

export const steps: Topic<Step> = defineTopic({
  name: 'steps',
  codec: json(z.object({ key: z.string(), n: z.number() })),
  key: (step) => step.key,
});

/** The parts of a world that every consumer in these tests gets. */
export function within(world: TestWorld): Pick<ConsumerOptions<Step>, 'subscription' | 'clock' | 'random' | 'telemetry'> {
  return { subscription: 'test', clock: world.clock, random: world.random, telemetry: world.telemetry };
}

/** `a1 a2 b1` as steps. */
export function parseSteps(text: string): readonly Step[] {
  return text.split(' ').map((word) => ({ key: word.slice(0, 1), n: Number(word.slice(1)) }));
}

/** A step as `a1`. */
export function nameOf(step: Step): string {
  return `${step.key}${step.n}`;
}

/** Sends steps written as `a1 a2 b1`. */
export async function send(world: TestWorld, text: string): Promise<void> {
  const producer = await createProducer(world.broker, steps, { clock: world.clock, random: world.random });
  await Promise.all(parseSteps(text).map((step) => producer.send(step)));
  await producer.close();
}

/** What a subscription has not acknowledged, or all of a topic that has none yet. */
export async function contents(world: TestWorld, topic: string, subscription = 'contents'): Promise<readonly IncomingMessage[]> {
  const found = await world.broker.subscribe({ topic, subscription, type: 'shared', initialPosition: 'earliest' });
  const count = await found.backlog();
  const messages: IncomingMessage[] = [];
  while (messages.length < count) messages.push(...(await found.receive(1_000)));
  await found.close();
  return messages;
}

/** The same broker, whose producers of some topics are changed. */
export function withProducer(broker: Broker, change: (producer: BrokerProducer) => BrokerProducer): Broker {
  return { ...broker, createProducer: async (options) => change(await broker.createProducer(options)) };
}

/** The same broker, whose subscriptions are changed, and hand out so many messages at most. */
export function withSubscription(
  broker: Broker,
  change: (subscription: BrokerSubscription) => BrokerSubscription,
  maxUnacknowledged?: number,
): Broker {
  const bound = maxUnacknowledged === undefined ? {} : { maxUnacknowledged };
  return { ...broker, subscribe: async (options) => change(await broker.subscribe({ ...options, ...bound })) };
}

/** A broker that counts properties which consumers add, as Pulsar does, and takes no message with more than so many bytes in all. */
export function limitedTo(largest: number, broker: Broker): Broker {
  return {
    ...broker,
    createProducer: async (options) => {
      const producer = await broker.createProducer(options);
      const send: typeof producer.send = async (message) => {
        const added = Object.entries(message.properties ?? {}).filter(([name]) => /^paystream-(dead-letter|retry)-/.test(name));
        const bytes = message.payload.length + added.flat().join('').length;
        if (bytes > largest) throw new PaystreamError('INVALID_ARGUMENT', `${bytes} bytes`, { reason: 'MESSAGE_TOO_LARGE' });
        return producer.send(message);
      };
      return { ...producer, send };
    },
  };
}
