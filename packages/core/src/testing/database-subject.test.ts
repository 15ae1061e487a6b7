import { expect, it } from 'vitest';
import { createOutbox } from '../outbox/outbox.ts';
import { addTexts, published, textTopic } from './database-subject.ts';
import { createTestWorld } from './test-world.ts';

it('gives all that was published, more than a consumer may leave unacknowledged', async () => {
  await using world = await createTestWorld();
  const topic = textTopic('many');
  const all = Array.from({ length: 1_044 }, (_, n) => `k-${n}`);
  const outbox = await createOutbox(world);
  await world.database.transaction((tx) => addTexts(outbox, tx, topic, ...all));
  let done = false;
  const given = published(world, topic.name, all.length).finally(() => {
    done = true;
  });
  await Promise.all([given, world.runUntil(() => done)]);
  expect(await given).toEqual(all);
  await outbox.close();
});
