import { describe, expect, it } from 'vitest';
import type { Broker, IncomingMessage } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { createTestWorld } from '../testing/test-world.ts';
import { createConsumer } from './consumer.ts';
import { contents, nameOf, send, steps, within, withSubscription } from './test-support.ts';

interface Asked {
  readonly keys: string;
  answer(error?: PaystreamError): void;
}

/** A broker that answers acknowledgements when it is told to. */
function answeringLate(broker: Broker): { readonly broker: Broker; readonly asked: Asked[] } {
  const asked: Asked[] = [];
  const slow = withSubscription(broker, (subscription) => ({
    ...subscription,
    acknowledge: async (messages: readonly IncomingMessage[]) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      asked.push({
        keys: messages.map(({ key }) => key).join(' '),
        answer: (error) => (error === undefined ? resolve() : reject(error)),
      });
      await promise;
      await subscription.acknowledge(messages);
    },
  }));
  return { broker: slow, asked };
}

const away = (): PaystreamError => new PaystreamError('UNAVAILABLE', 'away', { reason: 'AWAY' });

describe('acknowledgements', () => {
  it('do not wait for the answer to earlier ones, which would take up places in flight; a few at once, then the rest together', async () => {
    await using world = await createTestWorld();
    const { broker, asked } = answeringLate(world.broker);
    await using consumer = await createConsumer(broker, steps, { ...within(world), handler: async () => undefined });
    for (const step of ['a1', 'b1', 'c1', 'd1', 'e1', 'f1']) {
      await send(world, step);
      await world.advance(10);
    }
    expect(asked.map(({ keys }) => keys)).toEqual(['a', 'b', 'c', 'd']);
    asked[2]?.answer();
    await world.advance(10);
    expect(asked.map(({ keys }) => keys)).toEqual(['a', 'b', 'c', 'd', 'e f']);
    expect(consumer.status.inFlight).toBe(5);
    for (const { answer } of asked) answer();
  });

  it('that are refused are tried again together by one, and a close waits for all of them', async () => {
    await using world = await createTestWorld();
    const { broker, asked } = answeringLate(world.broker);
    const handled: string[] = [];
    const consumer = await createConsumer(broker, steps, { ...within(world), handler: async (step) => void handled.push(nameOf(step)) });
    for (const step of ['a1', 'b1', 'c1']) {
      await send(world, step);
      await world.advance(10);
    }
    for (const { answer } of asked.splice(0)) answer(away());
    await world.advance({ seconds: 1 });
    expect(asked.map(({ keys }) => keys.split(' ').toSorted())).toEqual([['a', 'b', 'c']]);
    // While it is tried again nothing else is sent: what is handled meanwhile goes along with the next.
    await send(world, 'd1');
    await world.advance(10);
    for (const { answer } of asked.splice(0)) answer(away());
    await world.advance({ seconds: 5 });
    expect(asked.map(({ keys }) => keys.split(' ').toSorted())).toEqual([['a', 'b', 'c', 'd']]);
    let closed = false;
    const closing = consumer.close().then(() => {
      closed = true;
    });
    await world.advance(10);
    expect(closed).toBe(false);
    for (const { answer } of asked) answer();
    await closing;
    expect(handled).toEqual(['a1', 'b1', 'c1', 'd1']);
    expect(await contents(world, 'steps', 'test')).toEqual([]);
    const labels = { topic: 'steps', subscription: 'test', operation: 'acknowledge' };
    expect(world.telemetry.counter('paystream_consumer_broker_retries_total', labels)).toBe(2);
  });
});
