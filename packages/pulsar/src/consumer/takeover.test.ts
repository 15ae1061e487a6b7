import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import { fakeTopic } from './fake-topic.ts';
import { Takeover } from './takeover.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

it('asks when nothing has come two seconds after a consumer became the active one, and ever more seldom within a minute', () => {
  let asked = 0;
  const takeover = new Takeover(() => {
    asked += 1;
  });
  takeover.begin();
  const askedAt: number[] = [];
  for (let second = 1; second <= 600; second++) {
    const before = asked;
    vi.advanceTimersByTime(1_000);
    if (asked > before) askedAt.push(second);
  }
  expect(askedAt).toEqual([2, 6, 14, 30, 62]);
});

it('asks no more once a message has come after it asked', () => {
  let asked = 0;
  const takeover = new Takeover(() => {
    asked += 1;
  });
  takeover.begin();
  vi.advanceTimersByTime(2_000);
  takeover.end();
  vi.advanceTimersByTime(60_000);
  expect(asked).toBe(1);
});

it('asks for nothing when a message has come, and begins anew with the next turn', () => {
  let asked = 0;
  const takeover = new Takeover(() => {
    asked += 1;
  });
  takeover.begin();
  vi.advanceTimersByTime(1_000);
  takeover.end();
  vi.advanceTimersByTime(10_000);
  expect(asked).toBe(0);
  takeover.begin();
  vi.advanceTimersByTime(1_000);
  takeover.begin();
  vi.advanceTimersByTime(1_999);
  expect(asked).toBe(0);
  vi.advanceTimersByTime(1);
  expect(asked).toBe(1);
});

it('is what a failover consumer does', async () => {
  vi.useRealTimers();
  await using topic = await fakeTopic();
  const consumers = [await topic.subscribe({ type: 'failover' }), await topic.subscribe({ type: 'failover' })];
  const [session] = topic.broker.sessions;
  for (const consumerId of [0n, 1n]) {
    session?.send({ type: Type.ACTIVE_CONSUMER_CHANGE, activeConsumerChange: { consumerId, isActive: true } });
  }
  topic.deliver([{ entryId: 0, texts: ['a'] }], 1);
  await consumers[1]?.receive();
  const { redeliverUnacknowledgedMessages: asked } = await topic.broker.waitFor(
    ({ type }) => type === Type.REDELIVER_UNACKNOWLEDGED_MESSAGES,
  );
  expect(asked).toMatchObject({ consumerId: 0n, messageIds: [] });
  expect(topic.commands(Type.REDELIVER_UNACKNOWLEDGED_MESSAGES)).toHaveLength(1);
});
