import { createVirtualClock } from '@paystream/core/testing';
import { describe, expect, it } from 'vitest';
import { callWithin } from './call.ts';

describe('a call to a gateway', () => {
  it('is told to give up when its time is over, and leaves no timer when it is not', async () => {
    const clock = createVirtualClock();
    let signal: AbortSignal | undefined;
    const hanging = callWithin(
      clock,
      1_000,
      (given) => {
        signal = given;
        return new Promise<string>(() => undefined);
      },
      () => undefined,
    );
    await clock.advance(999);
    expect(signal?.aborted).toBe(false);
    await clock.advance(1);
    expect(signal?.aborted).toBe(true);
    expect(await hanging).toMatchObject({ failure: { code: 'DEADLINE_EXCEEDED', reason: 'GATEWAY_TIMED_OUT' } });
    expect(
      await callWithin(
        clock,
        1_000,
        async () => 'answer',
        () => undefined,
      ),
    ).toEqual({ answer: 'answer' });
    expect(clock.pendingTimers).toBe(0);
  });

  it('that throws before it begins is a call without an answer', async () => {
    const failed = await callWithin(
      createVirtualClock(),
      1_000,
      () => {
        throw new Error('no such host');
      },
      () => undefined,
    );
    expect(failed).toMatchObject({ failure: { message: 'no such host' } });
  });
});
