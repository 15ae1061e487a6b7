import { expect, it } from 'vitest';
import { silentLogger } from '../logger/port.ts';
import { createTestWorld } from '../testing/test-world.ts';
import { createProducerCache } from './producers.ts';

it('a producer that took the place of a broken one is not closed for what the broken one did', async () => {
  await using world = await createTestWorld();
  const producers = createProducerCache(world.broker, silentLogger);
  const broken = producers.get('steps');
  producers.drop('steps', broken);
  const next = producers.get('steps');
  producers.drop('steps', broken);
  expect(next).not.toBe(broken);
  expect(producers.get('steps')).toBe(next);
  await producers.close();
});
