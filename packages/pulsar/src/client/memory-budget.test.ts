import { expect, it } from 'vitest';
import { createMemoryBudget } from './memory-budget.ts';

it('lets as much be held as the limit says, and no more', () => {
  const budget = createMemoryBudget(100);
  expect(budget.tryTake(60)).toBe(true);
  expect(budget.tryTake(41)).toBe(false);
  expect(budget.tryTake(40)).toBe(true);
  budget.give(50);
  expect(budget.usedBytes).toBe(50);
});

it('serves who waits in turn, so that a large message is not overtaken for ever', async () => {
  const budget = createMemoryBudget(100);
  budget.take(90);
  const order: string[] = [];
  const large = budget.wait(50).then(() => order.push('large'));
  const small = budget.wait(5).then(() => order.push('small'));
  expect(budget.tryTake(5)).toBe(false);
  budget.give(60);
  await Promise.all([large, small]);
  expect(order).toEqual(['large', 'small']);
  expect(budget.usedBytes).toBe(85);
});

it('forgets who gives up waiting', async () => {
  const budget = createMemoryBudget(10);
  budget.take(10);
  const controller = new AbortController();
  const first = budget.wait(10, controller.signal);
  const second = budget.wait(5);
  controller.abort(new Error('no more'));
  await expect(first).rejects.toThrow('no more');
  budget.give(5);
  await second;
  expect(budget.usedBytes).toBe(10);
});

it('lets a message through that is larger than the limit when nothing else is held', async () => {
  const budget = createMemoryBudget(10);
  await budget.wait(50);
  expect(budget.tryTake(1)).toBe(false);
  budget.give(50);
  expect(budget.tryTake(1)).toBe(true);
});
