import type { Message } from 'pulsar-client';
import { describe, expect, it } from 'vitest';
import { createIntake } from './intake.ts';

const none = new AbortController().signal;

function setUp() {
  const calls: PromiseWithResolvers<Message>[] = [];
  const receive = (): Promise<Message> => {
    const call = Promise.withResolvers<Message>();
    calls.push(call);
    return call.promise;
  };
  const bring = (call: number, name: string): void => calls[call]?.resolve(name as unknown as Message);
  return { calls, bring, receive };
}

describe('messages of the addon', () => {
  it('keep their order though the calls that bring them settle in another', async () => {
    const { bring, receive } = setUp();
    const intake = createIntake({ receive }, 4);
    const first = intake.next(10, none);
    bring(1, 'b');
    bring(2, 'c');
    await Promise.resolve();
    bring(0, 'a');
    expect(await first).toEqual(['a', 'b', 'c']);
  });

  it('are asked for no more at once than there is room for', async () => {
    const { calls, bring, receive } = setUp();
    const intake = createIntake({ receive }, 64);
    const first = intake.next(2, none);
    expect(calls).toHaveLength(2);
    bring(0, 'a');
    await first;
    expect(calls).toHaveLength(2);
  });

  it('are not lost when nobody waits for them any more', async () => {
    const { bring, receive } = setUp();
    const intake = createIntake({ receive }, 1);
    const controller = new AbortController();
    const first = intake.next(1, controller.signal);
    controller.abort();
    expect(await first).toEqual([]);
    bring(0, 'a');
    expect(await intake.next(1, none)).toEqual(['a']);
  });

  it('that cannot be had make one wait fail, and the next one tries anew', async () => {
    const { calls, bring, receive } = setUp();
    const intake = createIntake({ receive }, 1);
    const first = intake.next(1, none);
    calls[0]?.reject(new Error('Failed to receive message: NotConnected'));
    await expect(first).rejects.toThrow('NotConnected');
    const second = intake.next(1, none);
    bring(1, 'a');
    expect(await second).toEqual(['a']);
  });
});
