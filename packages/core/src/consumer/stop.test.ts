import { describe, expect, it } from 'vitest';
import { type ErrorCode, PaystreamError } from '../errors/paystream-error.ts';
import { createTestWorld } from '../testing/test-world.ts';
import { createConsumer } from './consumer.ts';
import { contents, nameOf, send, steps, within } from './test-support.ts';

describe('stop', () => {
  it('lets handlers finish and acknowledges them; what was not begun comes again', async () => {
    await using world = await createTestWorld();
    const handled: string[] = [];
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      concurrency: 2,
      handler: async (step) => {
        await world.clock.sleep(500);
        handled.push(nameOf(step));
      },
    });
    await send(world, 'a1 b1 c1 a2');
    await world.advance(100);
    const closed = consumer.close(5_000);
    expect(consumer.status.state).toBe('stopping');
    await world.advance(500);
    await closed;
    expect(consumer.status).toMatchObject({ state: 'stopped' });
    expect(handled).toEqual(['a1', 'b1']);
    expect((await contents(world, 'steps', 'test')).map((message) => message.key)).toEqual(['c', 'a']);
  });

  it.each<[ErrorCode, string]>([
    ['CANCELED', 'STOPPED'],
    ['CANCELED', 'CLOSED'],
    ['UNAVAILABLE', 'AWAY'],
    ['INTERNAL', 'BROKEN'],
  ])('handles nothing of a key behind a message of its batch that it leaves (%s %s), and all else', async (code, reason) => {
    await using world = await createTestWorld();
    const handled: string[] = [];
    await send(world, 'a1 a2 b1');
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      handleBatch: async (batch) => {
        await world.clock.sleep(500);
        if (batch.length > 1) throw new Error('one of them');
        if (batch.some(({ value }) => nameOf(value) === 'a1')) throw new PaystreamError(code, 'not now', { reason });
        handled.push(...batch.map(({ value }) => nameOf(value)));
      },
    });
    await world.advance(600);
    const closed = consumer.close(5_000);
    await world.advance(5_000);
    await closed;
    const left = (await contents(world, 'steps', 'test')).map(({ key }) => key);
    expect([...handled.map(([key]) => key), ...left].sort()).toEqual(['a', 'a', 'b']);
    expect(left.filter((key) => key === 'a')).toHaveLength(2);
    expect(await contents(world, 'steps-test-dlq')).toEqual([]);
  });

  it('aborts the signals of handlers that are not done in time, waits for them, and leaves their messages', async () => {
    await using world = await createTestWorld();
    const log: string[] = [];
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      handler: async (_, { signal }) => {
        await world.clock.sleep(60_000, signal).catch((error: unknown) => log.push(`aborted: ${String(error)}`));
        await world.clock.sleep(50);
        log.push('settled');
        signal.throwIfAborted();
      },
    });
    await send(world, 'a1');
    await world.clock.settle();
    const closed = consumer.close(1_000).then(() => log.push('closed'));
    await world.advance(999);
    expect(log).toEqual([]);
    await world.advance(100);
    await closed;
    expect(log).toEqual([expect.stringContaining('STOP_DEADLINE'), 'settled', 'closed']);
    expect(world.telemetry.counter('paystream_consumer_messages_total')).toBe(0);
    expect(await contents(world, 'steps', 'test')).toHaveLength(1);
    expect(await contents(world, 'steps-test-dlq')).toEqual([]);
  });

  it.each([
    ['PaystreamError', () => new PaystreamError('CANCELED', 'stopped as well', { reason: 'STOPPED' })],
    ['AbortError', () => new DOMException('stopped as well', 'AbortError')],
  ])('holds nothing against a message whose handler is canceled meanwhile by something else that stops (%s)', async (_, canceled) => {
    await using world = await createTestWorld();
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      retry: { attempts: 1 },
      handler: async () => {
        await world.clock.sleep(500);
        throw canceled();
      },
    });
    await send(world, 'a1 b1');
    await world.advance(100);
    const closed = consumer.close(5_000);
    await world.advance(1_000);
    await closed;
    expect(await contents(world, 'steps-test-dlq')).toEqual([]);
    expect(await contents(world, 'steps', 'test')).toHaveLength(2);
  });

  it('does not wait for messages that wait for their next attempt, nor for the end of an outage', async () => {
    await using world = await createTestWorld();
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      retry: { delayMs: 20_000 },
      handler: async () => {
        throw new Error('no');
      },
    });
    await send(world, 'a1 b1');
    await world.advance(10);
    await consumer.close();
    expect(await contents(world, 'steps', 'test')).toHaveLength(2);
  });

  it('while a batch is searched for the message at fault lets the rest of it finish', async () => {
    await using world = await createTestWorld();
    const handled: string[] = [];
    await send(world, 'a1 b1 c1 d1');
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      retry: { delayMs: 20_000 },
      handleBatch: async (batch) => {
        if (batch.some((delivery) => delivery.value.key === 'a')) throw new Error('at fault');
        await world.clock.sleep(500);
        handled.push(...batch.map((delivery) => nameOf(delivery.value)));
      },
    });
    await world.advance(100);
    const closed = consumer.close(5_000);
    await world.advance(2_000);
    await closed;
    expect(handled).toEqual(['b1', 'c1', 'd1']);
    expect((await contents(world, 'steps', 'test')).map((message) => message.key)).toEqual(['a']);
  });

  it('may be asked for twice, and while it is under way', async () => {
    await using world = await createTestWorld();
    const consumer = await createConsumer(world.broker, steps, { ...within(world), handler: async () => undefined });
    await Promise.all([consumer.close(), consumer.close()]);
    await consumer.close();
    expect(consumer.status.state).toBe('stopped');
  });

  it('loses nothing and hands on in order when one consumer follows another', async () => {
    await using world = await createTestWorld();
    const handled: string[] = [];
    await send(world, Array.from({ length: 60 }, (_, n) => `${'abc'[n % 3]}${n}`).join(' '));
    for (let round = 0; round < 40 && handled.length < 60; round++) {
      const consumer = await createConsumer(world.broker, steps, {
        ...within(world),
        handler: async (step) => {
          await world.clock.sleep(7);
          handled.push(nameOf(step));
        },
      });
      await world.advance(10);
      const closed = consumer.close();
      await world.advance(10);
      await closed;
    }
    expect(new Set(handled).size).toBe(60);
    for (const key of 'abc') {
      const own = handled.filter((name) => name.startsWith(key)).map((name) => Number(name.slice(1)));
      expect(own).toEqual(own.toSorted((a, b) => a - b));
    }
    expect(handled).toHaveLength(60);
  });
});

describe('time-out', () => {
  it('aborts the signal in time; the key waits until the handler has really settled', async () => {
    await using world = await createTestWorld();
    const log: string[] = [];
    const at = (what: string): void => void log.push(`${world.clock.monotonic()} ${what}`);
    await using _ = await createConsumer(world.broker, steps, {
      ...within(world),
      timeoutMs: 1_000,
      retry: { delayMs: 0 },
      handler: async (step, { signal, delivery }) => {
        at(`${nameOf(step)}#${delivery.attempt}`);
        if (nameOf(step) !== 'a1' || delivery.attempt > 1) return;
        signal.addEventListener('abort', () => at(`aborted ${String(signal.reason.reason)}`));
        await world.clock.sleep(5_000);
        signal.throwIfAborted();
      },
    });
    await send(world, 'a1 a2 b1');
    await world.advance({ seconds: 20 });
    expect(log).toEqual(
      ['0 a1#1', '0 b1#1', '1000 aborted HANDLER_TIMED_OUT', '5001 a1#2', '5001 a2#1'].map((line) => expect.stringMatching(line)),
    );
  });

  it('counts as an attempt, and says in the dead-letter topic what it was', async () => {
    await using world = await createTestWorld();
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      timeoutMs: 1_000,
      retry: { attempts: 2 },
      handler: (step, { signal }) =>
        step.key === 'a'
          ? world.clock.sleep(60_000, signal)
          : new Promise((_resolve, reject) => {
              signal.addEventListener('abort', () => reject(new DOMException('as fetch throws it', 'AbortError')));
            }),
    });
    await send(world, 'a1 b1');
    await world.advance({ seconds: 20 });
    await consumer.close();
    const dead = await contents(world, 'steps-test-dlq');
    expect(dead).toHaveLength(2);
    const why = { 'paystream-dead-letter-reason': 'HANDLER_TIMED_OUT', 'paystream-dead-letter-attempts': '2' };
    expect(dead).toMatchObject([{ properties: why }, { properties: why }]);
  });

  it('is measured for each call, not from the first of them', async () => {
    await using world = await createTestWorld();
    const aborted: string[] = [];
    await using _ = await createConsumer(world.broker, steps, {
      ...within(world),
      timeoutMs: 1_000,
      handler: async (step, { signal }) => {
        signal.addEventListener('abort', () => aborted.push(nameOf(step)));
        await world.clock.sleep(800);
      },
    });
    for (const text of ['a1', 'b1', 'c1', 'a2']) {
      await send(world, text);
      await world.advance(300);
    }
    await world.advance({ seconds: 5 });
    expect(aborted).toEqual([]);
  });

  it('that ends well after all is a success', async () => {
    await using world = await createTestWorld();
    let calls = 0;
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      timeoutMs: 100,
      handler: async () => {
        calls += 1;
        await world.clock.sleep(500);
      },
    });
    await send(world, 'a1');
    await world.advance({ seconds: 5 });
    await consumer.close();
    expect(calls).toBe(1);
    expect(await contents(world, 'steps', 'test')).toEqual([]);
  });
});
