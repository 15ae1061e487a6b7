import { describe, expect, it } from 'vitest';
import type { Broker, IncomingMessage } from '../broker/port.ts';
import { createProducer } from '../producer/producer.ts';
import { noTelemetry } from '../telemetry/port.ts';
import { createTestWorld } from '../testing/test-world.ts';
import { createConsumer } from './consumer.ts';
import { consumerProperties } from './delivery.ts';
import { contents, nameOf, send, steps, within, withSubscription } from './test-support.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('consumer', () => {
  it('handles messages of one key in order, one at a time, and keys side by side', async () => {
    await using world = await createTestWorld();
    const log: string[] = [];
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      handler: async (step) => {
        log.push(`+${nameOf(step)}`);
        await world.clock.sleep(100);
        log.push(`-${nameOf(step)}`);
      },
    });
    await send(world, 'a1 a2 b1 a3 b2');
    await world.advance(1_000);
    expect(log).toEqual(['+a1', '+b1', '-a1', '+a2', '-b1', '+b2', '-a2', '+a3', '-b2', '-a3']);
    await consumer.close();
    expect(await contents(world, 'steps', 'test')).toEqual([]);
  });

  it('runs no more handlers at once than it was allowed', async () => {
    await using world = await createTestWorld();
    let running = 0;
    let most = 0;
    let handled = 0;
    await using consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      concurrency: 3,
      handler: async () => {
        most = Math.max(most, ++running);
        await world.clock.sleep(10);
        running -= 1;
        handled += 1;
      },
    });
    await send(world, 'a1 b1 c1 d1 e1 f1 g1 h1');
    await world.runUntil(() => handled === 8);
    expect(most).toBe(3);
    expect(consumer.status.state).toBe('running');
  });

  it('receives no more than it may hold, however many wait', async () => {
    await using world = await createTestWorld();
    let handled = 0;
    // One that does not bound what it hands out, as a bound of the consumer's own must not rest on it.
    const broker = withSubscription(world.broker, (subscription) => subscription, 1_000);
    await using consumer = await createConsumer(broker, steps, {
      ...within(world),
      maxInFlight: 5,
      handler: async () => {
        await world.clock.sleep(10);
        handled += 1;
      },
    });
    let most = 0;
    await send(world, Array.from({ length: 40 }, (_, n) => `k${n}`).join(' '));
    await world.runUntil(() => {
      most = Math.max(most, consumer.status.inFlight);
      return handled === 40;
    });
    expect(most).toBe(5);
  });

  it('tells the handler all that is known of a message', async () => {
    await using world = await createTestWorld();
    const seen: unknown[] = [];
    const producer = await world.broker.createProducer({ topic: 'steps' });
    await producer.send({
      payload: bytes('{"key":"a","n":1}'),
      key: 'a',
      eventTimeMs: 77,
      properties: { 'paystream-event-id': 'event-1', 'paystream-correlation-id': 'request-1', traceparent: '00-aa-bb-01', mine: 'kept' },
    });
    await using _ = await createConsumer(world.broker, steps, {
      ...within(world),
      telemetry: noTelemetry,
      handler: async (value, { delivery, signal }) => {
        seen.push({ ...delivery, value, aborted: signal.aborted });
      },
    });
    await world.clock.settle();
    expect(seen).toMatchObject([
      {
        value: { key: 'a', n: 1 },
        topic: 'steps',
        key: 'a',
        eventId: 'event-1',
        correlationId: 'request-1',
        traceparent: '00-aa-bb-01',
        occurredAtMs: 77,
        publishTimeMs: world.clock.now(),
        attempt: 1,
        properties: { mine: 'kept' },
        aborted: false,
      },
    ]);
  });

  it('sends what does not decode to the dead-letter topic at once, bytes and properties untouched, and goes on', async () => {
    await using world = await createTestWorld();
    const handled: string[] = [];
    const producer = await world.broker.createProducer({ topic: 'steps' });
    const poison = Uint8Array.of(0xff, 0xfe, 0x00, 0x7b);
    await producer.send({ payload: poison, key: 'a', properties: { mine: 'kept' }, eventTimeMs: 5 });
    await producer.send({ payload: bytes('{"key":"a"}'), key: 'a' });
    await send(world, 'a1');
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      handler: async (step) => void handled.push(nameOf(step)),
    });
    await world.clock.settle();
    await consumer.close();
    expect(handled).toEqual(['a1']);
    const dead = await contents(world, 'steps-test-dlq');
    expect(dead.map((message) => [...message.payload])).toEqual([[...poison], [...bytes('{"key":"a"}')]]);
    expect(dead[0]).toMatchObject({
      key: 'a',
      eventTimeMs: 5,
      properties: {
        mine: 'kept',
        [consumerProperties.reason]: 'UNDECODABLE',
        [consumerProperties.topic]: 'steps',
        [consumerProperties.subscription]: 'test',
        [consumerProperties.attempts]: '0',
      },
    });
    expect(dead[1]?.properties[consumerProperties.message]).toContain('n: ');
    expect(await contents(world, 'steps', 'test')).toEqual([]);
    expect(world.telemetry.counter('paystream_consumer_messages_total', { outcome: 'undecodable' })).toBe(2);
  });

  it('handles once, and acknowledges, what a broker that reconnected delivers a second time meanwhile', async () => {
    await using world = await createTestWorld();
    const acknowledged: IncomingMessage[] = [];
    let copies: IncomingMessage[] = [];
    let handled = 0;
    const broker = withSubscription(world.broker, (subscription) => ({
      ...subscription,
      receive: async (max, signal) => {
        if (copies.length > 0) return copies.splice(0);
        const messages = await subscription.receive(max, signal);
        copies = messages.map((message) => ({ ...message, redeliveryCount: 1 }));
        return messages;
      },
      acknowledge: async (messages) => {
        acknowledged.push(...messages);
        await subscription.acknowledge(messages);
      },
    }));
    await send(world, 'a1 a2 b1');
    await using consumer = await createConsumer(broker, steps, {
      ...within(world),
      handler: async () => {
        await world.clock.sleep(10);
        handled += 1;
      },
    });
    await world.advance(1_000);
    expect(handled).toBe(3);
    expect(acknowledged.filter((message) => message.redeliveryCount === 1)).toHaveLength(3);
    expect(consumer.status.inFlight).toBe(0);
  });

  it('refuses options that cannot be met, at construction', async () => {
    await using world = await createTestWorld();
    const handler = async (): Promise<void> => undefined;
    const plain: Broker = { ...world.broker, capabilities: { ...world.broker.capabilities, delayedDelivery: false } };
    await expect(createConsumer(plain, steps, { ...within(world), retry: { mode: 'topic' }, handler })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
    await expect(createConsumer(world.broker, steps, { ...within(world), concurrency: 0, handler })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { option: 'concurrency' },
    });
    await expect(createConsumer(world.broker, steps, { ...within(world), maxInFlight: Number.NaN, handler })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  it('says that it is stopped when the broker is closed under it, and still closes', async () => {
    const world = await createTestWorld();
    const consumer = await createConsumer(world.broker, steps, { ...within(world), handler: async () => undefined });
    await consumer.check();
    await world[Symbol.asyncDispose]();
    await world.clock.settle();
    expect(consumer.status.state).toBe('stopped');
    await expect(consumer.check()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await consumer.close();
  });

  it('goes on with the trace of the message', async () => {
    await using world = await createTestWorld();
    const producer = await createProducer(world.broker, steps, world);
    await producer.send({ key: 'a', n: 1 }, { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` });
    const traces: (string | undefined)[] = [];
    await using _ = await createConsumer(world.broker, steps, {
      ...within(world),
      handler: async (_step, { delivery }) => void traces.push(delivery.traceparent),
    });
    await world.clock.settle();
    expect(traces).toEqual([`00-${'a'.repeat(32)}-${'2'.padStart(16, '0')}-01`]);
  });

  it('measures what it does', async () => {
    await using world = await createTestWorld();
    await using consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      handler: () => world.clock.sleep(250),
    });
    await send(world, 'a1 b1');
    await world.advance(1_000);
    const { telemetry } = world;
    expect(telemetry.counter('paystream_consumer_messages_total', { topic: 'steps', subscription: 'test', outcome: 'handled' })).toBe(2);
    expect(telemetry.observations('paystream_consumer_handler_seconds')).toEqual([0.25, 0.25]);
    expect(telemetry.gaugeValue('paystream_consumer_in_flight')).toBe(0);
    expect(telemetry.spans).toMatchObject([
      { name: 'process steps', ended: true },
      { name: 'process steps', ended: true },
    ]);
    expect(consumer.status).toEqual({ state: 'running', inFlight: 0, postponed: 0, pausedBy: undefined });
  });
});
