import { expect, it } from 'vitest';
import { BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import type { Message } from '../message/message.ts';
import { fakeTopic } from './fake-topic.ts';

const textOf = (message: Message): string => message.data.toString();
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Handlers that end when the test says so. */
function gates(): { readonly begun: string[]; handle(message: Message): Promise<void>; open(text: string): void } {
  const begun: string[] = [];
  const waiting = new Map<string, () => void>();
  return {
    begun,
    handle: (message) => {
      begun.push(textOf(message));
      return new Promise((resolve) => waiting.set(textOf(message), resolve));
    },
    open: (text) => waiting.get(text)?.(),
  };
}

const entries = (...texts: string[]) => texts.map((text, entryId) => ({ entryId, texts: [text], key: text.slice(0, 1) }));

it('holds up nothing but its own key when a handler is slow', async () => {
  await using topic = await fakeTopic();
  const consumer = await topic.subscribe({ type: 'key_shared' });
  const { begun, handle, open } = gates();
  const run = consumer.run(handle, { concurrency: 2 });
  topic.deliver(entries('a0', 'a1', 'a2', 'b0', 'b1', 'c0'));
  await expect.poll(() => begun).toEqual(['a0', 'b0']);
  open('b0');
  await expect.poll(() => begun).toEqual(['a0', 'b0', 'b1']);
  open('b1');
  await expect.poll(() => begun).toEqual(['a0', 'b0', 'b1', 'c0']);
  open('c0');
  open('a0');
  await expect.poll(() => begun.at(-1)).toBe('a1');
  open('a1');
  await expect.poll(() => begun.at(-1)).toBe('a2');
  open('a2');
  await run.stop();
});

it('has no more handlers at work than it was told, each key in order', async () => {
  await using topic = await fakeTopic();
  const consumer = await topic.subscribe({ type: 'shared' });
  let active = 0;
  let most = 0;
  const done: string[] = [];
  consumer.run(
    async (message) => {
      active += 1;
      most = Math.max(most, active);
      for (let turns = Math.random() * 5; turns > 0; turns--) await tick();
      active -= 1;
      done.push(textOf(message));
    },
    { concurrency: 4 },
  );
  const texts = Array.from({ length: 100 }, (_, at) => `${'abcdefgh'[at % 8]}${Math.floor(at / 8)}`);
  topic.deliver(entries(...texts));
  await expect.poll(() => done.length).toBe(100);
  expect(most).toBe(4);
  for (const key of 'abcdefgh') {
    expect(done.filter((text) => text.startsWith(key))).toEqual(texts.filter((text) => text.startsWith(key)));
  }
});

it('gives back a message whose key cannot be told, and goes on with the others', async () => {
  await using topic = await fakeTopic();
  const consumer = await topic.subscribe({ type: 'shared', negativeAckDelayMs: 100 });
  const errors: unknown[] = [];
  const handled: string[] = [];
  const keyOf = (message: Message): string => {
    if (textOf(message) === 'bad') throw new Error('no key');
    return 'k';
  };
  consumer.run((message) => handled.push(textOf(message)), { keyOf, onError: (error, { id }) => errors.push(`${error} ${id.entryId}`) });
  topic.deliver(entries('bad', 'good'));
  await expect.poll(() => handled).toEqual(['good']);
  expect(errors).toEqual(['Error: no key 0']);
  const { redeliverUnacknowledgedMessages: again } = await topic.broker.waitFor(
    ({ type }) => type === Type.REDELIVER_UNACKNOWLEDGED_MESSAGES,
  );
  expect(again?.messageIds.map(({ entryId }) => entryId)).toEqual([0n]);
});

it('ends, and says why, if whoever is told of errors fails: nothing hangs', async () => {
  await using topic = await fakeTopic();
  const consumer = await topic.subscribe({ type: 'shared' });
  const run = consumer.run(
    async () => {
      throw new Error('handler');
    },
    {
      onError: () => {
        throw new Error('listener');
      },
    },
  );
  topic.deliver(entries('a0', 'b0'));
  await expect(run.done).rejects.toThrow('listener');
  // What was not begun is there for whoever receives next.
  expect(textOf(await consumer.receive())).toBe('b0');
});

it('gives what it has not begun to whoever receives next, in order, when it stops', async () => {
  await using topic = await fakeTopic();
  const consumer = await topic.subscribe();
  const { begun, handle, open } = gates();
  const run = consumer.run(handle, { concurrency: 2 });
  topic.deliver(entries('a0', 'a1', 'a2', 'b0', 'c0'));
  await expect.poll(() => begun).toEqual(['a0', 'b0']);
  const stopped = run.stop();
  open('a0');
  open('b0');
  await stopped;
  const rest: string[] = [];
  for (let count = 0; count < 3; count++) rest.push(textOf(await consumer.receive()));
  expect(rest).toEqual(['a1', 'a2', 'c0']);
});

it('does not hand out again what a lost session had brought: it comes by the new one', async () => {
  await using topic = await fakeTopic();
  const consumer = await topic.subscribe({ type: 'shared' });
  const { begun, handle, open } = gates();
  const run = consumer.run(handle, { concurrency: 2 });
  topic.deliver(entries('a0', 'a1'));
  await expect.poll(() => begun).toEqual(['a0']);
  topic.cut();
  await expect.poll(() => topic.commands(Type.SUBSCRIBE).length).toBe(2);
  await expect.poll(() => consumer.connected).toBe(true);
  const stopped = run.stop();
  open('a0');
  await stopped;
  topic.deliver(entries('a0', 'a1').slice(1));
  expect(textOf(await consumer.receive())).toBe('a1');
  expect(await consumer.receive({ timeoutMs: 20 })).toBeUndefined();
});

it('tells handlers to give up once it has waited for them long enough', async () => {
  await using topic = await fakeTopic();
  const consumer = await topic.subscribe();
  const gaveUp: string[] = [];
  let begun = false;
  const run = consumer.run((message, { signal }) => {
    begun = true;
    return new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => {
        gaveUp.push(textOf(message));
        resolve();
      });
    });
  });
  topic.deliver(entries('a0'));
  await expect.poll(() => begun).toBe(true);
  await run.stop({ timeoutMs: 5 });
  expect(gaveUp).toEqual(['a0']);
});

it('refuses what is no number of handlers', async () => {
  await using topic = await fakeTopic();
  const consumer = await topic.subscribe();
  for (const options of [{ concurrency: 0 }, { concurrency: 1.5 }, { maxWaiting: 0 }]) {
    expect(() => consumer.run(() => undefined, options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  }
});
