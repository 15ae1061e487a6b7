import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PaystreamError } from '../errors/paystream-error.ts';
import { createProducer } from '../producer/producer.ts';
import { createTestWorld } from '../testing/test-world.ts';
import { createConsumer } from './consumer.ts';
import { contents, nameOf, parseSteps, send, steps, within } from './test-support.ts';

const numbered = (count: number, keys = 10): string =>
  Array.from({ length: count }, (_, n) => `${'abcdefghijklmnopqrstuvwxyz'[n % keys]}${n}`).join(' ');

describe('batch consumer', () => {
  it('takes what is there, in order, up to the size that it was given', async () => {
    await using world = await createTestWorld();
    const batches: string[][] = [];
    await send(world, numbered(10));
    await using _ = await createConsumer(world.broker, steps, {
      ...within(world),
      maxBatchSize: 4,
      handleBatch: async (batch) => void batches.push(batch.map((delivery) => nameOf(delivery.value))),
    });
    await world.clock.settle();
    expect(batches.map((batch) => batch.length)).toEqual([4, 4, 2]);
    expect(batches.flat()).toEqual(parseSteps(numbered(10)).map(nameOf));
  });

  it('links a batch with the trace of each message, which the message keeps', async () => {
    await using world = await createTestWorld();
    const traces = ['a', 'b'].map((digit) => ({ traceparent: `00-${digit.repeat(32)}-${digit.repeat(16)}-01`, tracestate: `of=${digit}` }));
    // Without telemetry of its own: the contexts travel as they are.
    const producer = await createProducer(world.broker, steps, { clock: world.clock, random: world.random });
    for (const [n, trace] of traces.entries()) await producer.send({ key: 'a', n }, trace);
    const seen: object[] = [];
    await using _ = await createConsumer(world.broker, steps, {
      ...within(world),
      handleBatch: async (batch) => void seen.push(...batch.map(({ traceparent, tracestate }) => ({ traceparent, tracestate }))),
    });
    await world.clock.settle();
    expect(seen).toEqual(traces);
    expect(world.telemetry.spans).toMatchObject([
      { name: 'process steps', kind: 'consumer', parent: undefined, links: traces, attributes: { 'messaging.batch.message_count': 2 } },
    ]);
  });

  it('tells how long messages were on their way, once each, and how many only wait for a handler', async () => {
    await using world = await createTestWorld();
    await send(world, 'a1 b1 c1');
    await world.advance(2_000);
    let fails = true;
    await using _ = await createConsumer(world.broker, steps, {
      ...within(world),
      maxBatchSize: 1,
      handleBatch: async () => {
        await world.clock.sleep(100);
        if (!fails) return;
        fails = false;
        throw new Error('bug');
      },
    });
    await world.advance(50);
    expect(world.telemetry.gaugeValue('paystream_consumer_waiting')).toBe(2);
    await world.advance(5_000);
    expect(world.telemetry.gaugeValue('paystream_consumer_waiting')).toBe(0);
    const delays = world.telemetry.observations('paystream_consumer_delay_seconds', { topic: 'steps', subscription: 'test' });
    expect(delays.map((seconds) => seconds.toFixed(1))).toEqual(['2.0', '2.1', '2.2']);
  });

  it('waits for more no longer than it was told, and not at all once it is full', async () => {
    await using world = await createTestWorld();
    const batches: number[] = [];
    await using _ = await createConsumer(world.broker, steps, {
      ...within(world),
      maxBatchSize: 3,
      lingerMs: 50,
      handleBatch: async (batch) => void batches.push(batch.length),
    });
    await send(world, 'a1');
    await world.advance(49);
    await send(world, 'a2');
    expect(batches).toEqual([]);
    await world.advance(1);
    expect(batches).toEqual([2]);
    await send(world, 'a3 b1 c1');
    await world.clock.settle();
    expect(batches).toEqual([2, 3]);
  });

  it('never has a key in two batches at once', async () => {
    await using world = await createTestWorld();
    const held = new Set<string>();
    const seen: string[] = [];
    let most = 0;
    let running = 0;
    await using _ = await createConsumer(world.broker, steps, {
      ...within(world),
      maxBatchSize: 3,
      concurrency: 4,
      handleBatch: async (batch) => {
        const keys = new Set(batch.map((delivery) => delivery.value.key));
        for (const key of keys) {
          expect(held.has(key)).toBe(false);
          held.add(key);
        }
        most = Math.max(most, ++running);
        await world.clock.sleep(10);
        running -= 1;
        for (const key of keys) held.delete(key);
        for (const delivery of batch) seen.push(nameOf(delivery.value));
      },
    });
    await send(world, numbered(100, 7));
    await world.runUntil(() => seen.length === 100);
    expect(most).toBeGreaterThan(1);
    for (const key of 'abcdefg') {
      const own = seen.filter((name) => name.startsWith(key)).map((name) => Number(name.slice(1)));
      expect(own).toEqual(own.toSorted((a, b) => a - b));
    }
  });

  it('finds the one message at fault: all others are handled once, that one goes to the dead-letter topic', async () => {
    await using world = await createTestWorld();
    const handled: string[] = [];
    let calls = 0;
    await send(world, numbered(256, 26));
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      handleBatch: async (batch) => {
        calls += 1;
        if (batch.some((delivery) => delivery.value.n === 77)) throw new PaystreamError('INVALID_ARGUMENT', 'bad', { reason: 'BAD' });
        for (const delivery of batch) handled.push(nameOf(delivery.value));
      },
    });
    await world.advance({ minutes: 1 });
    await consumer.close();
    expect(handled.toSorted()).toEqual(
      parseSteps(numbered(256, 26))
        .filter((step) => step.n !== 77)
        .map(nameOf)
        .toSorted(),
    );
    expect((await contents(world, 'steps-test-dlq')).map((message) => message.key)).toEqual([nameOf({ key: 'z', n: 77 }).slice(0, 1)]);
    expect(calls).toBeLessThanOrEqual(1 + 2 * 8 + 1);
    expect(await contents(world, 'steps', 'test')).toEqual([]);
  });

  it('tries the message at fault again alone, and has later ones of its key wait', async () => {
    await using world = await createTestWorld();
    const calls: string[] = [];
    let failures = 3;
    await send(world, 'a1 b1 a2 c1 a3 b2');
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      handleBatch: async (batch) => {
        const names = batch.map((delivery) => nameOf(delivery.value));
        if (names.includes('a2') && names.length === 1 && failures-- > 0) throw new Error('not now');
        if (names.includes('a2') && names.length > 1) throw new Error('not in company');
        calls.push(names.join(' '));
      },
    });
    await world.advance({ minutes: 1 });
    await consumer.close();
    expect(calls).toEqual(['a1', 'b1', 'c1 b2', 'a2', 'a3']);
    expect(await contents(world, 'steps-test-dlq')).toEqual([]);
    expect(await contents(world, 'steps', 'test')).toEqual([]);
  });

  it('does not let a message that failed alone spoil later batches', async () => {
    await using world = await createTestWorld();
    const calls: string[] = [];
    let failures = 2;
    await using _ = await createConsumer(world.broker, steps, {
      ...within(world),
      retry: { delayMs: 100 },
      handleBatch: async (batch) => {
        const names = batch.map((delivery) => nameOf(delivery.value));
        calls.push(names.join(' '));
        await world.clock.sleep(200);
        if (names.includes('a1') && failures-- > 0) throw new Error('not now');
      },
    });
    await send(world, 'a1');
    await world.advance(190);
    // Handled while `a1` waits; when that is over, `c1 d1` are there too.
    await send(world, 'b1');
    await world.advance(50);
    await send(world, 'c1 d1');
    await world.advance({ minutes: 1 });
    expect(calls.filter((call) => call.includes('a1'))).toEqual(['a1', 'a1', 'a1']);
    expect(calls).toContain('c1 d1');
  });

  it('handles every message once and in order of its key, whichever of them are at fault', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), failures: fc.constantFrom(0, 0, 0, 1, 2, 9) }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 16 }),
        async (messages, concurrency, maxBatchSize) => {
          await using world = await createTestWorld({ quietTurns: 2 });
          const left = new Map<number, number>(messages.map((message, n) => [n, message.failures]));
          const handled: number[] = [];
          if (messages.length > 0) await send(world, messages.map((message, n) => `${message.key}${n}`).join(' '));
          const consumer = await createConsumer(world.broker, steps, {
            ...within(world),
            concurrency,
            maxBatchSize,
            retry: { attempts: 4 },
            handleBatch: async (batch) => {
              await world.clock.sleep(5);
              const wrong = batch.find((delivery) => (left.get(delivery.value.n) ?? 0) > 0);
              if (wrong !== undefined) {
                if (batch.length === 1) left.set(wrong.value.n, (left.get(wrong.value.n) ?? 0) - 1);
                throw new Error('at fault');
              }
              for (const delivery of batch) handled.push(delivery.value.n);
            },
          });
          await world.advance({ minutes: 5 });
          expect(consumer.status.inFlight).toBe(0);
          await consumer.close();
          const good = messages.flatMap((message, n) => (message.failures < 4 ? [n] : []));
          expect(handled.toSorted((a, b) => a - b)).toEqual(good);
          for (const key of 'abcd') {
            const own = handled.filter((n) => messages[n]?.key === key);
            expect(own).toEqual(own.toSorted((a, b) => a - b));
          }
          expect(await contents(world, 'steps-test-dlq')).toHaveLength(messages.length - good.length);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('pauses as a whole in an outage and hands over the same batch when it ends', async () => {
    await using world = await createTestWorld();
    let up = false;
    const batches: string[] = [];
    await send(world, 'a1 b1 a2');
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      handleBatch: async (batch) => {
        if (!up) throw new PaystreamError('UNAVAILABLE', 'away', { reason: 'AWAY' });
        batches.push(batch.map((delivery) => nameOf(delivery.value)).join(' '));
      },
    });
    await world.advance({ minutes: 10 });
    expect(consumer.status.state).toBe('paused');
    up = true;
    await world.advance({ seconds: 31 });
    expect(batches).toEqual(['a1 b1 a2']);
    await consumer.close();
    expect(await contents(world, 'steps-test-dlq')).toEqual([]);
  });
});
