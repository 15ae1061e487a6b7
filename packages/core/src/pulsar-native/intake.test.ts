import type { Message } from 'pulsar-client';
import { describe, expect, it } from 'vitest';
import { settleTurns } from '../testing/settle.ts';
import type { Arrived } from './arrived.ts';
import { messageOf } from './fake-client.fixture.ts';
import { createIntake } from './intake.ts';

const none = new AbortController().signal;

const message = (name: string, partition = -1): Message => messageOf(name, Number(name.slice(1)), { partition });
const names = (all: readonly Arrived[]): string[] => all.map(({ payload }) => Buffer.from(payload).toString());

/** Calls of which a test says when they settle. */
function setUp() {
  const calls: PromiseWithResolvers<Message[]>[] = [];
  const batchReceive = (): Promise<Message[]> => {
    const call = Promise.withResolvers<Message[]>();
    calls.push(call);
    return call.promise;
  };
  const bring = (call: number, ...messages: Message[]): void => calls[call]?.resolve(messages);
  return { calls, bring, consumer: { batchReceive } };
}

/** The addon's queue and the calls that wait for it, with the moments between its steps, in which a call may be made by the other thread. */
function addonLike() {
  const queue: Message[] = [];
  const waiting: PromiseWithResolvers<Message>[] = [];
  const waitingBatches: PromiseWithResolvers<Message[]>[] = [];
  const call = <T>(wanted: PromiseWithResolvers<T>[], of: (first: Message) => T): Promise<T> => {
    const one = Promise.withResolvers<T>();
    const first = queue.shift();
    if (first === undefined) wanted.push(one);
    else one.resolve(of(first));
    return one.promise;
  };
  const arrive = (one: Message, beforePush: () => void = () => undefined, beforeNotify: () => void = () => undefined): void => {
    const next = waiting.shift();
    beforePush();
    if (next !== undefined) {
      next.resolve(one);
      return;
    }
    queue.push(one);
    beforeNotify();
    if (queue.length > 0) waitingBatches.shift()?.resolve(queue.splice(0, 1));
  };
  const consumer = {
    receive: () => call(waiting, (first) => first),
    batchReceive: () => call(waitingBatches, (first) => [first]),
  };
  return { consumer, arrive };
}

describe('messages of the addon', () => {
  it('do not lie in its queue while somebody waits for them, whenever they are asked for', async () => {
    const { consumer, arrive } = addonLike();
    const intake = createIntake(consumer, 1);
    const got: string[] = [];
    const ask = (): void => void intake.next(1, none).then((all) => got.push(...names(all)));
    arrive(message('m1'), ask);
    await settleTurns(10);
    expect(got).toEqual(['m1']);
    arrive(message('m2'), undefined, ask);
    await settleTurns(10);
    expect(got).toEqual(['m1', 'm2']);
  });

  it('do not overtake one that a later call got before the notice of it woke an earlier one', async () => {
    const { consumer, arrive } = addonLike();
    const intake = createIntake(consumer, 64);
    const first = intake.next(3, none);
    arrive(message('m0'));
    expect(names(await first)).toEqual(['m0']);
    // Two calls wait, and there is room for a third.
    const got: string[] = [];
    const ask = (): void => void intake.next(3, none).then((all) => got.push(...names(all)));
    arrive(message('m1'), undefined, ask);
    await settleTurns(10);
    expect(got).toEqual(['m1']);
    ask();
    arrive(message('m2'));
    await settleTurns(10);
    expect(got).toEqual(['m1', 'm2']);
  });

  it('keep the order in which they lie in their partition, though the calls that bring them settle in another', async () => {
    const { bring, consumer } = setUp();
    const intake = createIntake(consumer, 64);
    const first = intake.next(10, none);
    bring(1, message('m2'));
    bring(3, message('p8', 1));
    setImmediate(() => {
      bring(7, message('p9', 1));
      bring(4, message('m1'));
      bring(2, message('m3'));
    });
    expect(names(await first)).toEqual(['m1', 'm2', 'p8']);
    expect(names(await intake.next(10, none))).toEqual(['m3', 'p9']);
  });

  it('are asked for no more at once than there is room for', async () => {
    const { calls, bring, consumer } = setUp();
    const intake = createIntake(consumer, 64);
    const first = intake.next(2, none);
    expect(calls).toHaveLength(2);
    bring(0, message('m0'));
    await first;
    expect(calls).toHaveLength(2);
  });

  it('are asked for again by a call that came back with nothing', async () => {
    const { calls, bring, consumer } = setUp();
    const intake = createIntake(consumer, 1);
    const first = intake.next(1, none);
    bring(0);
    await settleTurns(2);
    expect(calls).toHaveLength(2);
    bring(1, message('m0'));
    expect(names(await first)).toEqual(['m0']);
  });

  it('are not lost when nobody waits for them any more', async () => {
    const { bring, consumer } = setUp();
    const intake = createIntake(consumer, 1);
    const controller = new AbortController();
    const first = intake.next(1, controller.signal);
    controller.abort();
    expect(await first).toEqual([]);
    bring(0, message('m0'));
    expect(names(await intake.next(1, none))).toEqual(['m0']);
  });

  it('that cannot be had make one wait fail, and the next one tries anew', async () => {
    const { calls, bring, consumer } = setUp();
    const intake = createIntake(consumer, 1);
    const first = intake.next(1, none);
    calls[0]?.reject(new Error('Failed to batch receive message: NotConnected'));
    await expect(first).rejects.toThrow('NotConnected');
    const second = intake.next(1, none);
    bring(1, message('m0'));
    expect(names(await second)).toEqual(['m0']);
  });
});
