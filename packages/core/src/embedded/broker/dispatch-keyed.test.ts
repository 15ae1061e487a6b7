import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Cursor } from './cursor.ts';
import type { Source } from './dispatch.ts';
import { createKeyedDispatcher } from './dispatch-keyed.ts';
import { type StoredMessage, toStored } from './entry.ts';

interface Delivery {
  readonly consumer: number;
  readonly message: StoredMessage;
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('publish' as const), key: fc.nat({ max: 3 }), consumer: fc.constant(0) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('take' as const), key: fc.integer({ min: 1, max: 4 }), consumer: fc.nat({ max: 2 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('acknowledge' as const), key: fc.nat({ max: 9 }), consumer: fc.constant(0) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('giveBack' as const), key: fc.nat({ max: 9 }), consumer: fc.nat({ max: 1 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pass' as const), key: fc.nat({ max: 5 }), consumer: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), key: fc.constant(0), consumer: fc.nat({ max: 2 }) }) },
);

it('whatever consumers do, a key is with one at a time, its new messages come in order, and all of them come', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150, size: 'max' }), (steps) => {
      const log: StoredMessage[] = [];
      const cursor = new Cursor(0);
      let now = 0;
      const at = (sequence: number): StoredMessage | undefined => log[sequence];
      const source: Source<number, Delivery> = {
        tail: () => log.length,
        first: () => 0,
        now: () => now,
        acknowledged: (sequence) => cursor.has(sequence),
        message: at,
        earlier: at,
        deliver: (consumer, message) => ({ consumer, message }),
      };
      const dispatcher = createKeyedDispatcher(source, 0);
      let inHand: Delivery[] = [];
      const highest = new Map<string, number>();

      const take = (consumer: number, max: number): void => {
        const out: Delivery[] = [];
        dispatcher.take(consumer, max, out);
        for (const delivery of out) {
          const { key, sequence } = delivery.message;
          if (key !== undefined) {
            for (const other of inHand)
              expect(other.message.key !== key || other.consumer === consumer, `${key} is with two at once`).toBe(true);
            // One that comes for the first time comes after all that came before it, and before none.
            const before = log.filter((one) => one.key === key && one.sequence < sequence && !cursor.has(one.sequence));
            for (const one of before) expect(one.sequence, 'an earlier one was overtaken').toBeLessThanOrEqual(highest.get(key) ?? -1);
            highest.set(key, Math.max(sequence, highest.get(key) ?? -1));
          }
          expect(
            inHand.some((other) => other.message.sequence === sequence),
            'delivered while in hand',
          ).toBe(false);
          inHand.push(delivery);
        }
      };
      const acknowledge = (delivery: Delivery): void => {
        inHand = inHand.filter((other) => other !== delivery);
        cursor.acknowledge(delivery.message.sequence);
        dispatcher.settled(delivery.message.key);
      };
      const giveBack = (delivery: Delivery, dueMs: number): void => {
        inHand = inHand.filter((other) => other !== delivery);
        dispatcher.returned(delivery.message.sequence, delivery.message.key, dueMs);
      };

      for (const { kind, key, consumer } of steps) {
        const picked = inHand[key % Math.max(1, inHand.length)];
        if (kind === 'publish') {
          const message = toStored({ payload: new Uint8Array(0), ...(key === 3 ? {} : { key: `k${key}` }), deliverAtMs: undefined });
          message.sequence = log.length;
          log.push(message);
        } else if (kind === 'take') take(consumer, key);
        else if (kind === 'pass') now += key;
        else if (kind === 'leave') {
          for (const delivery of inHand.filter((one) => one.consumer === consumer)) giveBack(delivery, now);
          dispatcher.left(consumer);
        } else if (picked !== undefined) {
          if (kind === 'acknowledge') acknowledge(picked);
          else giveBack(picked, now + consumer * 3);
        }
      }

      now += 100;
      for (let round = 0; round <= log.length; round++) {
        for (const consumer of [0, 1, 2]) {
          take(consumer, 1_000);
          for (const delivery of inHand) acknowledge(delivery);
        }
      }
      expect(cursor.position, 'some messages never came').toBe(log.length);
    }),
    { numRuns: 300 },
  );
});
