// What the broker does is told by a fake one, which can keep one partition to itself.
import { expect, it } from 'vitest';
import { fakeTopic } from '../../../pulsar/src/consumer/fake-topic.ts';
import { PartitionMetadataLookupType, ServerError, BaseCommand_Type as Type } from '../../../pulsar/src/gen/pulsar/wire_pb.ts';
import type { LogFields, Logger } from '../logger/port.ts';
import { createMemoryTelemetry } from '../testing/memory-telemetry.ts';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { createPulsarBroker } from './broker.ts';

const soon = { timeout: 20_000 };
const consumer = { role: 'consumer', topic: 'orders' };

async function stage() {
  /** The partitions that nobody gets. */
  let away: readonly number[] = [];
  let refusesLookups = 0;
  const topic = await fakeTopic(({ partitionMetadata, subscribe, lookupTopic }, session) => {
    if (partitionMetadata !== undefined) {
      const { requestId } = partitionMetadata;
      const response = PartitionMetadataLookupType.SUCCESS;
      session.send({ type: Type.PARTITIONED_METADATA_RESPONSE, partitionMetadataResponse: { requestId, response, partitions: 3 } });
      return true;
    }
    const refuse = (requestId: bigint, error: ServerError): true => {
      session.send({ type: Type.ERROR, error: { requestId, error, message: 'away' } });
      return true;
    };
    if (lookupTopic !== undefined && refusesLookups > 0) {
      refusesLookups -= 1;
      return refuse(lookupTopic.requestId, ServerError.SERVICE_NOT_READY);
    }
    if (subscribe === undefined || !away.includes(Number(subscribe.topic.at(-1)))) return false;
    return refuse(subscribe.requestId, ServerError.CONSUMER_BUSY);
  });
  const clock = createVirtualClock();
  const telemetry = createMemoryTelemetry();
  const lines: [level: string, message: string, fields: LogFields][] = [];
  const write = (level: string) => (fields: LogFields, message: string) => void lines.push([level, message, fields]);
  const logger: Logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  const { serviceUrl } = topic.broker;
  const broker = createPulsarBroker({ serviceUrl, backoff: { initialMs: 5, maxMs: 20 }, clock, logger, telemetry });
  return {
    topic,
    broker,
    clock,
    telemetry,
    lines,
    disconnected: (labels = consumer) => telemetry.gaugeValue('paystream_pulsar_disconnected', labels),
    reconnects: (labels = consumer) => telemetry.counter('paystream_pulsar_reconnects_total', labels),
    retries: (operation: string, error: string) => telemetry.counter('paystream_pulsar_retries_total', { operation, error }),
    keep: (partitions: readonly number[]) => {
      away = partitions;
    },
    refuseLookups: (count: number) => {
      refusesLookups = count;
    },
    [Symbol.asyncDispose]: async () => {
      await topic[Symbol.asyncDispose]();
      await broker.close();
    },
  };
}

it('one partition that is away is seen by its operator: a gauge at once, one line in the log after five seconds, one at its end', async () => {
  await using on = await stage();
  const { broker, clock, lines, topic } = on;
  await broker.subscribe({ topic: 'orders', subscription: 's' });
  expect([on.disconnected(), on.reconnects()]).toEqual([0, 0]);
  on.keep([1]);
  topic.cut();
  await expect.poll(() => on.reconnects(), soon).toBe(2);
  await expect.poll(() => on.retries('subscribe', 'SUBSCRIPTION_BUSY'), soon).toBeGreaterThan(2);
  expect(on.disconnected()).toBe(1);
  await clock.advance(4_999);
  expect(lines).toEqual([]);
  await clock.advance({ minutes: 10 });
  expect(lines).toEqual([
    [
      'warn',
      'producers or consumers of Pulsar have lost their connection: tried again until they have one',
      {
        disconnected: 1,
        topics: ['persistent://public/default/orders-partition-1'],
        err: expect.objectContaining({ reason: 'SUBSCRIPTION_BUSY' }),
      },
    ],
  ]);
  on.keep([]);
  await expect.poll(() => on.reconnects(), soon).toBe(3);
  expect(on.disconnected()).toBe(0);
  expect(lines.slice(1)).toEqual([
    ['info', 'producers and consumers of Pulsar are connected again', { topic: 'persistent://public/default/orders-partition-1' }],
  ]);
  expect(clock.pendingTimers).toBe(1); // That of the subscription, which looks whether it is connected.
});

it('a break that is soon over is counted, of producers as well, and no line is written of it', async () => {
  await using on = await stage();
  await on.broker.createProducer({ topic: 'persistent://shop/eu/orders' });
  const producer = { role: 'producer', topic: 'persistent://shop/eu/orders' };
  on.topic.cut();
  await expect.poll(() => on.reconnects(producer), soon).toBe(3);
  await on.clock.advance({ minutes: 1 });
  expect([on.disconnected(producer), on.lines]).toEqual([0, []]);
});

it('of a broker that is gone one line tells, not one for each partition, and what cannot be reached is counted', async () => {
  await using on = await stage();
  await on.broker.subscribe({ topic: 'orders', subscription: 's' });
  await on.broker.createProducer({ topic: 'orders' });
  await on.topic.broker.close();
  await expect.poll(() => on.retries('connect', 'PULSAR_UNREACHABLE'), soon).toBeGreaterThan(0);
  expect([on.disconnected(), on.disconnected({ role: 'producer', topic: 'orders' })]).toEqual([3, 3]);
  await on.clock.advance({ minutes: 1 });
  expect(on.lines.map(([level, , { disconnected }]) => [level, disconnected])).toEqual([['warn', 6]]);
  await on.broker.close();
  expect([on.disconnected(), on.disconnected({ role: 'producer', topic: 'orders' }), on.clock.pendingTimers]).toEqual([0, 0, 0]);
});

it('look-ups that are made again are counted, by why', async () => {
  await using on = await stage();
  on.refuseLookups(2);
  await on.broker.createProducer({ topic: 'orders' });
  expect(on.retries('lookup', 'PULSAR_UNAVAILABLE')).toBe(2);
});
