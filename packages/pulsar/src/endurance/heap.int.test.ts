import { beforeAll, expect, it } from 'vitest';
import { createPulsarAdmin } from '../admin/index.ts';
import { freshTopic, type RealBroker, realBroker } from '../testing/test-support.ts';
import { endurance, growthOf, runProgram, type Sample } from './test-support.ts';

const { messages } = endurance;
const rounds = 20;
const boundBytes = 2_000_000;

let broker: RealBroker;
beforeAll(async () => {
  broker = await realBroker();
});

it(`9.5.85 holds no more after ${messages.toLocaleString('en')} messages than after the first tenth`, {
  timeout: 300_000 + messages,
}, async () => {
  const topic = freshTopic();
  const work = { serviceUrl: broker.serviceUrl, topic, messages, rounds };
  const { said, code, errors } = await runProgram<Sample>(new URL('./million.fixture.ts', import.meta.url), work);
  await createPulsarAdmin({ url: broker.adminUrl }).topics.delete(topic, { force: true });
  expect(code, errors).toBe(0);
  expect(said.at(-1)?.messages).toBe(messages);
  expect(said).toHaveLength(rounds);
  expect(growthOf(said), said.map(({ bytes }) => bytes).join(', ')).toBeLessThan(boundBytes);
});
