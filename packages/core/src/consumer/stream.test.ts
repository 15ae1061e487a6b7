import { describe, expect, it } from 'vitest';
import { createTestWorld } from '../testing/test-world.ts';
import type { StreamedDelivery } from './port.ts';
import { createMessageStream } from './stream.ts';
import { contents, nameOf, type Step, send, steps, within } from './test-support.ts';

describe('message stream', () => {
  it('gives messages to a loop; leaving it gives back what was not acknowledged', async () => {
    await using world = await createTestWorld();
    await send(world, 'a1 a2 a3 a4');
    const seen: string[] = [];
    for await (const message of await createMessageStream(world.broker, steps, within(world))) {
      seen.push(nameOf(message.value));
      if (seen.length === 3) break;
      await message.acknowledge();
    }
    expect(seen).toEqual(['a1', 'a2', 'a3']);
    expect(await contents(world, 'steps', 'test')).toHaveLength(2);
  });

  it('waits for messages, and ends when it is closed', async () => {
    await using world = await createTestWorld();
    const stream = await createMessageStream(world.broker, steps, within(world));
    const seen: string[] = [];
    const loop = (async () => {
      for await (const message of stream) {
        seen.push(nameOf(message.value));
        await message.acknowledge();
      }
    })();
    await send(world, 'a1');
    await world.clock.settle();
    await send(world, 'b1');
    await world.clock.settle();
    await stream.close();
    await loop;
    expect(seen).toEqual(['a1', 'b1']);
    expect(await contents(world, 'steps', 'test')).toEqual([]);
    expect(await stream[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined });
  });

  it('delivers again, after the wait, what was given back, with a higher attempt', async () => {
    await using world = await createTestWorld();
    await send(world, 'a1');
    await using stream = await createMessageStream(world.broker, steps, within(world));
    const iterator = stream[Symbol.asyncIterator]();
    const first: StreamedDelivery<Step> | undefined = (await iterator.next()).value;
    expect(first?.attempt).toBe(1);
    first?.negativeAcknowledge(5_000);
    // Too late: it is given back.
    await first?.acknowledge();
    let second: StreamedDelivery<Step> | undefined;
    void iterator.next().then((next) => {
      second = next.value;
    });
    await world.advance(4_999);
    expect(second).toBeUndefined();
    await world.advance(1);
    expect(second).toMatchObject({ attempt: 2, value: { key: 'a', n: 1 } });
    await second?.acknowledge();
  });

  it('has no more messages out than it was allowed', async () => {
    await using world = await createTestWorld();
    await send(world, 'a1 b1 c1');
    await using stream = await createMessageStream(world.broker, steps, { ...within(world), maxInFlight: 2 });
    const iterator = stream[Symbol.asyncIterator]();
    const first: StreamedDelivery<Step> | undefined = (await iterator.next()).value;
    await iterator.next();
    let third: string | undefined;
    void iterator.next().then(({ value }) => {
      third = value === undefined ? undefined : nameOf(value.value);
    });
    await world.advance(1_000);
    expect(third).toBeUndefined();
    await first?.acknowledge();
    await world.clock.settle();
    expect(third).toBe('c1');
  });

  it('keeps from the loop what does not decode: that goes to the dead-letter topic', async () => {
    await using world = await createTestWorld();
    const producer = await world.broker.createProducer({ topic: 'steps' });
    await producer.send({ payload: Uint8Array.of(1, 2, 3), key: 'a' });
    await send(world, 'a1');
    for await (const message of await createMessageStream(world.broker, steps, within(world))) {
      expect(nameOf(message.value)).toBe('a1');
      await message.acknowledge();
      break;
    }
    expect((await contents(world, 'steps-test-dlq')).map((message) => [...message.payload])).toEqual([[1, 2, 3]]);
    expect(await contents(world, 'steps', 'test')).toEqual([]);
  });

  it('throws in the loop when the broker is closed under it', async () => {
    const world = await createTestWorld();
    const stream = await createMessageStream(world.broker, steps, within(world));
    const next = stream[Symbol.asyncIterator]().next();
    const failed = expect(next).rejects.toMatchObject({ code: 'CANCELED' });
    await world[Symbol.asyncDispose]();
    await failed;
    await stream.close();
  });
});
