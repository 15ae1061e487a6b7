import { expect, it } from 'vitest';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { createCommitOrder } from './commit-order.ts';

function world(): { order: string[]; clock: ReturnType<typeof createVirtualClock>; commit(name: string): (how: string) => void } {
  const clock = createVirtualClock();
  const commits = createCommitOrder({ clock, maxOvertakenMs: 3_000 });
  const order: string[] = [];
  return {
    order,
    clock,
    commit: (name) => {
      const answer = Promise.withResolvers<string>();
      const send = (): Promise<() => void> => answer.promise.then((how) => () => order.push(`${name} ${how}`));
      void commits.commit(send, () => () => order.push(`${name} given up`));
      return answer.resolve;
    },
  };
}

it('commits are told in the order in which they were sent, whichever is answered first', async () => {
  const { order, clock, commit } = world();
  const [a, b, c] = [commit('a'), commit('b'), commit('c')];
  c('stored');
  b('failed');
  await clock.advance(2_900);
  expect(order).toEqual([]);
  a('stored');
  await clock.settle();
  expect(order).toEqual(['a stored', 'b failed', 'c stored']);
  expect(clock.pendingTimers).toBe(0);
});

it('one whose connection is lost in silence is given up while others are answered, and each has its own time', async () => {
  const { order, clock, commit } = world();
  const [a, , c] = [commit('a'), commit('b'), commit('c')];
  c('stored');
  await clock.advance(3_000);
  expect(order).toEqual(['a given up']);
  a('stored too late');
  await clock.advance(2_900);
  expect(order).toEqual(['a given up']);
  await clock.advance(100);
  expect(order).toEqual(['a given up', 'b given up', 'c stored']);
});

it('a server that stands still answers nobody, and nobody is given up', async () => {
  const { order, clock, commit } = world();
  const [a, b] = [commit('a'), commit('b')];
  await clock.advance(60_000);
  expect(order).toEqual([]);
  a('stored');
  b('stored');
  await clock.settle();
  expect(order).toEqual(['a stored', 'b stored']);
});
