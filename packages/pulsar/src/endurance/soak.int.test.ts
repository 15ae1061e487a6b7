import { beforeAll, expect, it } from 'vitest';
import { createPulsarAdmin } from '../admin/index.ts';
import { freshTopic, type RealBroker, realBroker } from '../testing/test-support.ts';
import { endurance, growthOf, runProgram, type Sample } from './test-support.ts';

// A topic is unloaded in each round: once a second, or once a minute where there is time.
const { soakMinutes } = endurance;
const rounds = soakMinutes || 12;
const roundMs = soakMinutes > 0 ? 60_000 : 1_000;
const boundBytes = 2_000_000;

interface Round extends Sample {
  readonly received: number;
  readonly unhandled: number;
}

let broker: RealBroker;
beforeAll(async () => {
  broker = await realBroker();
});

it('9.5.85 counts exactly and holds no more, with ten producers and consumers whose topics are unloaded', {
  timeout: 3 * rounds * roundMs + 120_000,
}, async () => {
  const { adminUrl, serviceUrl } = broker;
  const admin = createPulsarAdmin({ url: adminUrl });
  const namespace = freshTopic('soak').replace('persistent://public/default/', 'public/');
  await admin.namespaces.create(namespace);
  await admin.namespaces.setDeduplication(namespace, true);
  const work = { serviceUrl, adminUrl, namespace, rounds, roundMs, perSecond: 100 };
  const { said, code, errors } = await runProgram<Round>(new URL('./soak.fixture.ts', import.meta.url), work);
  expect(code, errors).toBe(0);
  expect(errors).toBe('');
  const last = said.at(-1);
  expect(said).toHaveLength(rounds);
  expect(last?.messages).toBeGreaterThan((10 * 100 * rounds * roundMs) / 1_000 / 2);
  expect(last).toMatchObject({ received: last?.messages, unhandled: 0 });
  expect(growthOf(said), said.map(({ bytes }) => bytes).join(', ')).toBeLessThan(boundBytes);
});
