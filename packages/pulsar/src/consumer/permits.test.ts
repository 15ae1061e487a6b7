import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Permits } from './permits.ts';

function setUp(queueSize: number, room?: () => number): { readonly permits: Permits; readonly flows: number[] } {
  const flows: number[] = [];
  return { permits: new Permits({ queueSize, flow: (count) => flows.push(count), ...(room && { room }) }), flows };
}

it('asks for the whole queue at first, and again each time half of it was taken', () => {
  const { permits, flows } = setUp(10);
  permits.start();
  for (let taken = 0; taken < 12; taken++) {
    permits.arrived(1);
    permits.add(1);
  }
  expect(flows).toEqual([10, 5, 5]);
  expect(permits.outstanding).toBe(8);
});

it('asks for nothing while it is held, and then for all that was taken meanwhile', () => {
  const { permits, flows } = setUp(10);
  permits.hold();
  permits.hold();
  permits.start();
  permits.release();
  expect(flows).toEqual([]);
  permits.release();
  expect(flows).toEqual([10]);
});

it('owes a new session nothing that was of the old one', () => {
  const { permits, flows } = setUp(10);
  permits.start();
  permits.add(4);
  permits.stop();
  permits.add(3);
  permits.start();
  expect(flows).toEqual([10, 10]);
  permits.add(4);
  expect(flows).toEqual([10, 10]);
});

it('9.4.58 never asks for 0 or less, nor for more than there is room for, and never stands still', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('arrive' as const), count: fc.integer({ min: 1, max: 150 }) }),
    fc.record({ do: fc.constant('take' as const), count: fc.integer({ min: 1, max: 150 }) }),
    fc.record({ do: fc.constant('return' as const), count: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ do: fc.constant('room' as const), count: fc.integer({ min: 0, max: 200 }) }),
    fc.record({ do: fc.constantFrom('pause' as const, 'resume' as const, 'reconnect' as const), count: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.array(step, { maxLength: 200 }), (queueSize, steps) => {
      let limit = 1_000;
      let held = false;
      let queued = 0;
      const room = (): number => Math.max(limit, queued === 0 ? 1 : 0);
      const flows: number[] = [];
      const permits: Permits = new Permits({
        queueSize,
        room,
        flow: (count) => {
          flows.push(count);
          expect(count).toBeGreaterThanOrEqual(1);
          expect(permits.outstanding).toBeLessThanOrEqual(room());
          expect(held).toBe(false);
        },
      });
      permits.start();
      for (const { do: what, count } of steps) {
        if (what === 'arrive' && permits.outstanding > 0) {
          // Whole batches come as long as one permit is left.
          queued += count;
          permits.arrived(count);
        } else if (what === 'take') {
          for (let left = Math.min(count, queued); left > 0; left--) {
            queued -= 1;
            permits.add(1);
            if (queued === 0) permits.flush();
          }
        } else if (what === 'return') {
          queued += 1;
          permits.add(-1);
        } else if (what === 'room') limit = count;
        else if (what === 'pause' && !held) {
          held = true;
          permits.hold();
        } else if (what === 'resume' && held) {
          held = false;
          permits.release();
        } else if (what === 'reconnect') {
          permits.stop();
          queued = 0;
          permits.start();
        }
      }
      if (held) {
        held = false;
        permits.release();
      }
      for (; queued > 0; queued--) permits.add(1);
      permits.flush();
      // Nothing is here, so something must be on its way.
      expect(permits.outstanding).toBeGreaterThan(0);
    }),
  );
});
