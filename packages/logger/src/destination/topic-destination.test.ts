import { type Broker, createIdGenerator, openEnvelope, PaystreamError, systemRandom } from '@paystream/core';
import { type LogEntry, LogKind, LogLevel } from '@paystream/core/contracts';
import { createTestWorld, type TestWorld } from '@paystream/core/testing';
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { logTopic } from '../log-topic.ts';
import { createTopicLogger } from '../pino/topic-logger.ts';
import { traceMixin } from '../trace-mixin.ts';
import { createTopicDestination } from './topic-destination.ts';

const topic = 'order-logs-topic';
const common = (world: TestWorld) => ({ broker: world.broker, topic, service: 'checkout', clock: world.clock, random: world.random });

async function entriesOf(world: TestWorld, least: number): Promise<readonly LogEntry[]> {
  const subscription = await world.broker.subscribe({ topic, subscription: 'test', initialPosition: 'earliest' });
  const entries: LogEntry[] = [];
  while (entries.length < least) {
    const messages = await subscription.receive(1_000);
    for (const message of messages) {
      const entry = logTopic(topic).codec.decode(message.payload);
      expect(openEnvelope(message).eventId).toBe(entry.entryId);
      entries.push(entry);
    }
    await subscription.acknowledge(messages);
  }
  await subscription.close();
  return entries;
}

/** A broker whose producers do what the test says. */
function brokenBroker(broker: Broker, send: () => Promise<void>): Broker {
  return {
    ...broker,
    createProducer: async (options) => {
      const producer = await broker.createProducer(options);
      return {
        ...producer,
        topic: producer.topic,
        sendAll: async (messages) => {
          await send();
          await producer.sendAll(messages);
        },
      };
    },
  };
}

describe('the topic destination', () => {
  it('lets a line be found by the trace in which it was written, or that it names', async () => {
    await using world = await createTestWorld();
    const { telemetry } = world;
    const destination = createTopicDestination(common(world));
    const log = pino({ mixin: traceMixin(telemetry) }, destination);
    const ready = await createTopicLogger({ ...common(world), telemetry });
    const span = telemetry.startSpan('call');
    span.run(() => {
      log.info('within');
      log.info({ traceparent: `00-${'a'.repeat(32)}-b7ad6b7169203331-01` }, 'of another');
      log.child({ traceparent: `00-${'c'.repeat(32)}-b7ad6b7169203331-01` }).info('of a child');
      ready.info({}, 'within, by a logger that is ready to use');
    });
    log.info('outside');
    await destination.flush();
    await ready.close();
    const own = span.traceparent?.split('-')[1];
    expect(Object.fromEntries((await entriesOf(world, 5)).map(({ message, traceId }) => [message, traceId]))).toEqual({
      within: own,
      'of another': 'a'.repeat(32),
      'of a child': 'c'.repeat(32),
      'within, by a logger that is ready to use': own,
      outside: '',
    });
  });

  it('sends what pino writes, with its ids lifted out and its secrets left out', async () => {
    await using world = await createTestWorld();
    const destination = createTopicDestination(common(world));
    const log = pino({ base: null, timestamp: () => `,"time":${world.clock.now()}` }, destination);
    log.warn(
      { orderId: 'o-1', merchantId: 'm-1', event: 'cart.full', nested: { password: 'x', n: 1 }, card: '4242 4242 4242 4242' },
      'full',
    );
    await destination.flush();
    const [entry] = await entriesOf(world, 1);
    expect(entry).toMatchObject({
      kind: LogKind.DIAGNOSTIC,
      level: LogLevel.WARN,
      service: 'checkout',
      event: 'cart.full',
      message: 'full',
      orderId: 'o-1',
      merchantId: 'm-1',
      attributes: { nested: '{"password":"[redacted]","n":1}', card: '[redacted]' },
    });
    expect(Number(entry?.eventTime?.seconds) * 1_000).toBe(world.clock.now());
  });

  it('keeps errors readable', async () => {
    await using world = await createTestWorld();
    const destination = createTopicDestination(common(world));
    pino({}, destination).error({ err: new Error('no luck') }, 'failed');
    await destination.flush();
    const [entry] = await entriesOf(world, 1);
    expect(JSON.parse(entry?.attributes['err'] ?? '')).toMatchObject({ message: 'no luck' });
  });

  it('takes whatever is written without throwing', async () => {
    await using world = await createTestWorld();
    const destination = createTopicDestination(common(world));
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    for (const line of [
      '',
      'plain text',
      '[1]',
      'null',
      '{"level":"nonsense","time":"never"}',
      deep,
      `{"msg":"${'x'.repeat(2_000_000)}"}`,
    ]) {
      expect(() => destination.write(line)).not.toThrow();
    }
    await destination.flush();
    const entries = await entriesOf(world, 5);
    expect(entries.map((entry) => entry.message)).toContain('plain text');
    expect(destination.dropped).toBeGreaterThanOrEqual(1);
  });

  it('sends nothing below its level', async () => {
    await using world = await createTestWorld();
    const destination = createTopicDestination({ ...common(world), level: 'warn' });
    const log = pino({ level: 'trace' }, destination);
    log.info('quiet');
    log.error('loud');
    await destination.flush();
    expect((await entriesOf(world, 1)).map((entry) => entry.message)).toEqual(['loud']);
  });

  it('bounds its memory, counts what it drops, and says so', async () => {
    await using world = await createTestWorld();
    let away = true;
    const broker = brokenBroker(world.broker, async () => {
      if (away) throw new PaystreamError('UNAVAILABLE', 'away', { reason: 'TEST' });
    });
    const errors: string[] = [];
    const destination = createTopicDestination({
      ...common(world),
      broker,
      maxBuffered: 10,
      onError: (error) => errors.push(error.reason),
    });
    for (let i = 0; i < 25; i += 1) destination.write(`{"msg":"line ${i}"}`);
    expect(destination.buffered).toBe(10);
    expect(destination.dropped).toBe(15);
    await world.advance({ seconds: 5 });
    expect(errors).toContain('TEST');
    away = false;
    await world.advance({ minutes: 1 });
    expect(destination.buffered).toBe(0);
    const entries = await entriesOf(world, 11);
    expect(entries.filter((entry) => entry.message.startsWith('line'))).toHaveLength(10);
    expect(entries.find((entry) => entry.event === 'log.dropped')?.attributes).toEqual({ count: '15' });
  });

  it('shows how many lines wait and how many are lost, from 0 on, and that none waits once it is closed', async () => {
    await using world = await createTestWorld();
    const { telemetry } = world;
    const labels = { topic, service: 'checkout' };
    const waiting = () => telemetry.gaugeValue('paystream_log_lines_waiting', labels);
    const dropped = () => telemetry.counter('paystream_log_lines_dropped_total', labels);
    const broker = brokenBroker(world.broker, async () => {
      throw new PaystreamError('UNAVAILABLE', 'away', { reason: 'TEST' });
    });
    const destination = createTopicDestination({ ...common(world), broker, maxBuffered: 10, telemetry });
    expect(waiting()).toBe(0);
    for (let i = 0; i < 25; i += 1) destination.write(`{"msg":"line ${i}"}`);
    expect([waiting(), dropped()]).toEqual([10, 15]);
    const closing = destination.close(1_000);
    await world.advance({ seconds: 2 });
    await closing;
    expect([waiting(), dropped()]).toEqual([0, destination.dropped]);
    expect(dropped()).toBeGreaterThanOrEqual(25);
    const log = await createTopicLogger({ ...common(world), service: 'ready', telemetry });
    log.info({}, 'sent');
    expect(telemetry.gaugeValue('paystream_log_lines_waiting', { service: 'ready' })).toBe(1);
    await log.flush();
    expect(telemetry.gaugeValue('paystream_log_lines_waiting', { service: 'ready' })).toBe(0);
    expect(telemetry.counter('paystream_log_lines_dropped_total', { service: 'ready' })).toBe(0);
    await log.close();
  });

  it('shows no line as waiting once it is closed although the broker never answers', async () => {
    await using world = await createTestWorld();
    const { telemetry } = world;
    const broker = brokenBroker(world.broker, () => new Promise(() => undefined));
    const destination = createTopicDestination({ ...common(world), broker, telemetry });
    destination.write('{"msg":"a"}');
    const closing = destination.close(1_000);
    await world.advance({ seconds: 2 });
    await closing;
    expect(telemetry.gaugeValue('paystream_log_lines_waiting')).toBe(0);
  });

  it('lets a failing broker that logs here not feed itself', async () => {
    await using world = await createTestWorld();
    let sends = 0;
    const broker = brokenBroker(world.broker, async () => {
      sends += 1;
      destination.write('{"msg":"the broker complains"}');
      throw new PaystreamError('INTERNAL', 'refused', { reason: 'TEST' });
    });
    const destination = createTopicDestination({ ...common(world), broker });
    destination.write('{"msg":"a"}');
    await destination.flush();
    expect(sends).toBe(1);
    expect(destination.dropped).toBe(2);
  });

  it('ends in time when the broker never answers', async () => {
    await using world = await createTestWorld();
    const broker = brokenBroker(world.broker, () => new Promise(() => undefined));
    const destination = createTopicDestination({ ...common(world), broker });
    destination.write('{"msg":"a"}');
    let closed = false;
    const closing = destination.close(1_000).then(() => {
      closed = true;
    });
    await world.advance({ seconds: 2 });
    expect(closed).toBe(true);
    await closing;
    destination.write('{"msg":"too late"}');
    expect(destination.dropped).toBe(1);
  });

  it('gives a ready logger that fits the Logger port', async () => {
    await using world = await createTestWorld();
    const log = await createTopicLogger({ ...common(world), level: 'debug' });
    log.debug({ orderId: createIdGenerator(world.clock, systemRandom)() }, 'hello');
    log.pino.child({ merchantId: 'm' }).info('child');
    await log.check?.();
    await log.close();
    const entries = await entriesOf(world, 2);
    expect(entries.map((entry) => entry.message)).toEqual(['hello', 'child']);
    expect(entries[1]?.merchantId).toBe('m');
  });
});
