import { describe, expect, it } from 'vitest';
import { steps } from '../consumer/test-support.ts';
import { createTestWorld } from '../testing/test-world.ts';
import { createProducer } from './producer.ts';

describe('producer', () => {
  it('sends the value with its key, its time and an event id of its own', async () => {
    await using world = await createTestWorld();
    const { broker, clock, random, telemetry } = world;
    const reader = await broker.createReader({ topic: 'steps', start: 'earliest' });
    const producer = await createProducer(broker, steps, { clock, random, telemetry });
    await producer.send({ key: 'a', n: 1 });
    const trace = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: 'vendor=1' };
    await producer.send({ key: 'b', n: 2 }, { eventId: 'event-2', occurredAtMs: 5, correlationId: 'c', ...trace });
    const [first, second] = await reader.receive(10);
    expect(first).toMatchObject({ key: 'a', eventTimeMs: clock.now(), properties: { 'content-type': 'application/json' } });
    expect(first?.properties['paystream-event-id']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(second).toMatchObject({
      key: 'b',
      eventTimeMs: 5,
      properties: {
        'paystream-event-id': 'event-2',
        'paystream-correlation-id': 'c',
        ...trace,
        traceparent: telemetry.spans[1]?.traceparent,
      },
    });
    expect(telemetry.counter('paystream_producer_messages_total', { topic: 'steps', outcome: 'sent' })).toBe(2);
    expect(telemetry.observations('paystream_producer_send_seconds', { topic: 'steps', system: broker.name, error: '' })).toHaveLength(2);
    expect(telemetry.spans).toMatchObject([{ name: 'send steps' }, { name: 'send steps', kind: 'producer', parent: trace, ended: true }]);
    expect(telemetry.gaugeValue('paystream_producer_pending')).toBe(0);
  });

  it('refuses a value that does not fit the topic, and sends nothing', async () => {
    await using world = await createTestWorld();
    const reader = await world.broker.createReader({ topic: 'steps', start: 'earliest' });
    const producer = await createProducer(world.broker, steps, world);
    await expect(producer.send({ key: 'a', n: 'one' as never })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      violations: [{ field: 'n' }],
    });
    await producer.send({ key: 'a', n: 2 });
    expect(await reader.receive(10)).toHaveLength(1);
  });

  it('delays a message, and refuses to where the broker cannot', async () => {
    await using world = await createTestWorld();
    const subscription = await world.broker.subscribe({ topic: 'steps', subscription: 's', type: 'shared' });
    const producer = await createProducer(world.broker, steps, world);
    await producer.send({ key: 'a', n: 1 }, { delayMs: 5_000 });
    let received = 0;
    void subscription.receive(10).then((messages) => {
      received = messages.length;
    });
    await world.advance(4_999);
    expect(received).toBe(0);
    await world.advance(1);
    expect(received).toBe(1);
    const plain = { ...world.broker, capabilities: { ...world.broker.capabilities, delayedDelivery: false } };
    const other = await createProducer(plain, steps, world);
    await expect(other.send({ key: 'a', n: 1 }, { delayMs: 1 })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  it('flushes when it is closed, and takes nothing more', async () => {
    await using world = await createTestWorld();
    const producer = await createProducer(world.broker, steps, world);
    const sent = producer.send({ key: 'a', n: 1 });
    await producer.close();
    await producer.close();
    await expect(sent).resolves.toEqual(expect.any(String));
    await expect(producer.send({ key: 'a', n: 2 })).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(world.telemetry.counter('paystream_producer_messages_total', { outcome: 'failed' })).toBe(1);
    expect(world.telemetry.observations('paystream_producer_send_seconds', { error: 'PRODUCER_CLOSED' })).toHaveLength(1);
  });
});
