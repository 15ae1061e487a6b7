import { DeliveryState } from '@paystream/core/contracts';
import { expect, it } from 'vitest';
import { decide, defaultRetry } from './retry.ts';

it('never waits longer than the longest wait that it was told, whatever chance adds', () => {
  const waits = [1, 2, 3, 4, 5, 500].map((tries) => {
    const message = { deliveryId: 'd', eventId: 'e', recipient: 'a@example.org', text: 'x', orderId: 'o', merchantId: 'm' };
    const { state, dueAtMs } = decide(
      { message, atMostOnce: false, tries: tries - 1, createdAtMs: 0 },
      { kind: 'deferred', detail: '' },
      {
        channel: 'email',
        idempotent: true,
        retry: { ...defaultRetry, attempts: 1_000, delayMs: 100, maxDelayMs: 1_000 },
        random: { next: () => 0.5, fill: (bytes) => bytes },
        awayForMs: 0,
        nowMs: 7,
      },
    );
    expect(state).toBe(DeliveryState.PENDING);
    return dueAtMs - 7;
  });
  expect(waits).toEqual([125, 250, 500, 1_000, 1_000, 1_000]);
});
