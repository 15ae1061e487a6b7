import { describe, expect, it } from 'vitest';
import { createBatcher } from '../batcher/batcher.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { outboxEvent } from '../outbox/event.ts';
import { outboxMigrations } from '../outbox/migrations.ts';
import { createOutbox } from '../outbox/outbox.ts';
import { createTestWorld } from '../testing/test-world.ts';
import { createConsumer } from './consumer.ts';
import { contents, nameOf, send, steps, within, withProducer, withSubscription } from './test-support.ts';

const away = (): PaystreamError => new PaystreamError('UNAVAILABLE', 'the database is away', { reason: 'DATABASE_AWAY' });

describe('an outage', () => {
  it('sends nothing to the dead-letter topic however long it lasts, uses up no attempt, and loses no order', async () => {
    await using world = await createTestWorld();
    let up = false;
    let calls = 0;
    const handled: string[] = [];
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      retry: { attempts: 1 },
      handler: async (step, { delivery }) => {
        calls += 1;
        if (!up) throw away();
        handled.push(`${nameOf(step)}#${delivery.attempt}`);
      },
    });
    await send(world, 'a1 a2 b1 c1');
    await world.advance({ hours: 1 });
    expect(consumer.status).toMatchObject({ state: 'paused', pausedBy: 'DATABASE_AWAY: the database is away' });
    await expect(consumer.check()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(world.telemetry.gaugeValue('paystream_consumer_paused')).toBe(1);
    // One message asks, in growing intervals of at most 5 s.
    expect(calls).toBeLessThan(1_500);
    up = true;
    await world.advance({ seconds: 5 });
    expect(consumer.status.state).toBe('running');
    expect(handled.toSorted()).toEqual(['a1#1', 'a2#1', 'b1#1', 'c1#1']);
    expect(handled.indexOf('a1#1')).toBeLessThan(handled.indexOf('a2#1'));
    expect(world.telemetry.gaugeValue('paystream_consumer_paused')).toBe(0);
    // All calls but the first of each key, and those that followed the end of the outage.
    expect(world.telemetry.counter('paystream_consumer_probes_total', { topic: 'steps', subscription: 'test' })).toBe(calls - 6);
    await consumer.close();
    expect(await contents(world, 'steps-test-dlq')).toEqual([]);
    expect(await contents(world, 'steps', 'test')).toEqual([]);
  });

  it('is over for those who watch when the consumer is closed in it: no gauge says for ever that it is paused and holds messages', async () => {
    await using world = await createTestWorld();
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      concurrency: 1,
      handler: async () => {
        throw away();
      },
    });
    await send(world, 'a1 b1');
    await world.advance({ minutes: 1 });
    const gauges = ['paystream_consumer_paused', 'paystream_consumer_in_flight', 'paystream_consumer_waiting'];
    const values = (): unknown => gauges.map((name) => world.telemetry.gaugeValue(name, { topic: 'steps', subscription: 'test' }));
    expect(values()).toEqual([1, 2, 1]);
    await consumer.close();
    expect(values()).toEqual([0, 0, 0]);
  });

  it('is also that what the handler publishes with was closed first: nothing goes to the dead-letter topic, it comes again', async () => {
    await using world = await createTestWorld();
    const producer = await world.broker.createProducer({ topic: 'elsewhere' });
    await world.database.migrate(outboxMigrations);
    const outbox = await createOutbox({ database: world.database, broker: world.broker, clock: world.clock });
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      handler: async (step) => {
        if (step.key === 'a') await producer.send({ payload: new Uint8Array() });
        else await world.database.transaction((tx) => outbox.add(tx, [outboxEvent(steps, step)]));
      },
    });
    await producer.close();
    await outbox.close();
    await send(world, 'a1 b1');
    await world.advance({ minutes: 1 });
    expect(consumer.status.state).toBe('paused');
    await consumer.close();
    expect(await contents(world, 'steps-test-dlq')).toEqual([]);
    expect(await contents(world, 'steps', 'test')).toHaveLength(2);
  });

  it('is also that what the handler gathers batches with was closed first, however many attempts there are', async () => {
    await using world = await createTestWorld();
    const batcher = createBatcher<string, undefined>({ run: async (items) => items.map(() => undefined) });
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      retry: { attempts: 1 },
      handler: async (step) => batcher.submit(nameOf(step)),
    });
    await batcher.close();
    await send(world, 'a1 b1');
    await world.advance({ minutes: 1 });
    expect(consumer.status.state).toBe('paused');
    await consumer.close();
    expect(await contents(world, 'steps-test-dlq')).toEqual([]);
    expect(await contents(world, 'steps', 'test')).toHaveLength(2);
  });

  it('ends within a second of the end of a short one', async () => {
    await using world = await createTestWorld();
    let up = false;
    let handled = 0;
    await using _ = await createConsumer(world.broker, steps, {
      ...within(world),
      handler: async () => {
        if (!up) throw away();
        handled += 1;
      },
    });
    await send(world, 'a1 b1');
    await world.advance({ ms: 900 });
    up = true;
    await world.advance({ seconds: 1 });
    expect(handled).toBe(2);
  });

  it('stops intake while it lasts', async () => {
    await using world = await createTestWorld();
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      handler: async () => {
        throw away();
      },
    });
    await send(world, 'a1');
    await world.advance(10);
    const before = consumer.status.inFlight;
    await send(world, Array.from({ length: 50 }, (_, n) => `k${n}`).join(' '));
    await send(world, Array.from({ length: 50 }, (_, n) => `l${n}`).join(' '));
    await world.advance({ minutes: 1 });
    // What one receive that was already waiting brings is all that may come.
    expect(consumer.status.inFlight).toBeLessThanOrEqual(before + 50);
    await consumer.close();
    expect(await contents(world, 'steps', 'test')).toHaveLength(101);
  });

  it('of the dead-letter topic holds the message and its key, and loses neither', async () => {
    await using world = await createTestWorld();
    let up = false;
    const handled: string[] = [];
    const broker = withProducer(world.broker, (producer) => ({
      ...producer,
      send: (message) => (up ? producer.send(message) : Promise.reject(away())),
    }));
    const consumer = await createConsumer(broker, steps, {
      ...within(world),
      handler: async (step) => {
        if (step.n === 1) throw new PaystreamError('INVALID_ARGUMENT', 'bad', { reason: 'BAD' });
        handled.push(nameOf(step));
      },
    });
    await send(world, 'a1 a2 b2');
    await world.advance({ minutes: 10 });
    expect(handled).toEqual(['b2']);
    expect(consumer.status.inFlight).toBe(2);
    up = true;
    await world.advance({ seconds: 31 });
    expect(handled).toEqual(['b2', 'a2']);
    await consumer.close();
    expect(await contents(world, 'steps-test-dlq')).toHaveLength(1);
    expect(await contents(world, 'steps', 'test')).toEqual([]);
  });

  it('of the dead-letter topic does not keep the consumer from stopping: the message comes again', async () => {
    await using world = await createTestWorld();
    const broker = withProducer(world.broker, (producer) => ({ ...producer, send: () => Promise.reject(away()) }));
    const consumer = await createConsumer(broker, steps, {
      ...within(world),
      handler: async () => {
        throw new PaystreamError('INVALID_ARGUMENT', 'bad', { reason: 'BAD' });
      },
    });
    await send(world, 'a1');
    await world.advance(10);
    const closed = consumer.close(1_000);
    await world.advance(1_001);
    await closed;
    expect(await contents(world, 'steps', 'test')).toHaveLength(1);
  });

  it('of the broker delays acknowledgements, and what was handled is not handled twice', async () => {
    await using world = await createTestWorld();
    let up = false;
    let refused = 0;
    const handled: number[] = [];
    const broker = withSubscription(world.broker, (subscription) => ({
      ...subscription,
      acknowledge: (messages) => {
        if (up) return subscription.acknowledge(messages);
        refused += 1;
        return Promise.reject(away());
      },
    }));
    const consumer = await createConsumer(broker, steps, { ...within(world), handler: async () => void handled.push(1) });
    await send(world, 'a1 a2 a3');
    await world.advance({ minutes: 1 });
    expect(consumer.status.inFlight).toBe(3);
    expect(refused).toBeGreaterThan(0);
    const labels = { topic: 'steps', subscription: 'test', operation: 'acknowledge' };
    expect(world.telemetry.counter('paystream_consumer_broker_retries_total', labels)).toBe(refused);
    up = true;
    await world.advance({ seconds: 31 });
    expect(consumer.status.inFlight).toBe(0);
    await consumer.close();
    expect(handled).toHaveLength(3);
    expect(await contents(world, 'steps', 'test')).toEqual([]);
  });

  it('of the broker while it receives loses no message: it goes on when it is back', async () => {
    await using world = await createTestWorld();
    let up = false;
    const handled: string[] = [];
    const broker = withSubscription(world.broker, (subscription) => ({
      ...subscription,
      receive: (max, signal) => (up ? subscription.receive(max, signal) : Promise.reject(away())),
    }));
    await using _ = await createConsumer(broker, steps, { ...within(world), handler: async (step) => void handled.push(nameOf(step)) });
    await send(world, 'a1 a2');
    await world.advance({ minutes: 1 });
    expect(handled).toEqual([]);
    up = true;
    await world.advance({ seconds: 31 });
    expect(handled).toEqual(['a1', 'a2']);
  });
});
