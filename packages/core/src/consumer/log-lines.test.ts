import { expect, it } from 'vitest';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { LogFields, Logger } from '../logger/port.ts';
import { createProducer } from '../producer/producer.ts';
import { noTelemetry } from '../telemetry/port.ts';
import { createTestWorld } from '../testing/test-world.ts';
import { createConsumer } from './consumer.ts';
import { steps, within } from './test-support.ts';

const sender = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

function remember(lines: [message: string, traceparent: unknown][]): Logger {
  const write = ({ traceparent }: LogFields, message: string): void => void lines.push([message, traceparent]);
  return { debug: write, info: write, warn: write, error: write };
}

it('a failed attempt, a lock and a dead letter are found in their trace: each line names the span of its attempt', async () => {
  await using world = await createTestWorld();
  const lines: [string, unknown][] = [];
  const failures = ['INTERNAL', 'ABORTED', 'INVALID_ARGUMENT'] as const;
  let attempts = 0;
  await using _ = await createConsumer(world.broker, steps, {
    ...within(world),
    logger: remember(lines),
    handler: async () => {
      throw new PaystreamError(failures[attempts++] ?? 'INTERNAL', 'no', { reason: 'NO' });
    },
  });
  const producer = await createProducer(world.broker, steps, { ...world, telemetry: noTelemetry });
  await producer.send({ key: 'a', n: 1 }, { traceparent: sender });
  await world.advance(10_000);
  const spans = world.telemetry.spans.map(({ traceparent }) => traceparent);
  expect(spans.every((traceparent) => traceparent.includes('a'.repeat(32)))).toBe(true);
  expect(lines).toEqual([
    ['a handler failed: the message is tried again', spans[0]],
    ['what a handler needs is taken: its key waits', spans[1]],
    ['a message goes to the dead-letter topic', spans[2]],
  ]);
});

it('a message that came without a trace is found in the one that began with it, out of a batch too', async () => {
  await using world = await createTestWorld();
  const lines: [string, unknown][] = [];
  await using _ = await createConsumer(world.broker, steps, {
    ...within(world),
    logger: remember(lines),
    handleBatch: async (batch) => {
      if (batch.some(({ value }) => value.n === 2)) throw new PaystreamError('INVALID_ARGUMENT', 'no', { reason: 'NO' });
    },
  });
  const producer = await createProducer(world.broker, steps, { ...world, telemetry: noTelemetry });
  await Promise.all([1, 2].map((n) => producer.send({ key: `k${n}`, n })));
  await world.clock.settle();
  const alone = world.telemetry.spans.filter(({ error, attributes }) => error !== undefined && 'messaging.message.id' in attributes);
  expect(alone).toHaveLength(1);
  expect(lines).toEqual([['a message goes to the dead-letter topic', alone[0]?.traceparent]]);
});

it('a message is found by the trace of who sent it where nothing traces, one that does not decode as well', async () => {
  await using world = await createTestWorld();
  const lines: [string, unknown][] = [];
  await using _ = await createConsumer(world.broker, steps, {
    ...within(world),
    telemetry: noTelemetry,
    logger: remember(lines),
    retry: { attempts: 1 },
    timeoutMs: 100,
    handler: (_step, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  });
  const raw = await world.broker.createProducer({ topic: 'steps' });
  await raw.send({ payload: Uint8Array.of(1), properties: { traceparent: sender } });
  const producer = await createProducer(world.broker, steps, { ...world, telemetry: noTelemetry });
  await producer.send({ key: 'a', n: 1 }, { traceparent: sender });
  await world.advance(1_000);
  expect(lines).toEqual([
    ['a message that does not decode goes to the dead-letter topic', sender],
    ['a handler has used up its time: its signal is aborted, its lane stays held until it settles', sender],
    ['a message goes to the dead-letter topic', sender],
  ]);
});

it('what a pause waits for is found in the trace of the call that met it', async () => {
  await using world = await createTestWorld();
  const lines: [string, unknown][] = [];
  let away = true;
  await using _ = await createConsumer(world.broker, steps, {
    ...within(world),
    logger: remember(lines),
    handler: async () => {
      if (away) throw new PaystreamError('UNAVAILABLE', 'away', { reason: 'AWAY' });
    },
  });
  const producer = await createProducer(world.broker, steps, { ...world, telemetry: noTelemetry });
  await producer.send({ key: 'a', n: 1 }, { traceparent: sender });
  await world.clock.settle();
  away = false;
  await world.advance(10_000);
  expect(lines[0]).toEqual(['paused: something that the handler needs is away', world.telemetry.spans[0]?.traceparent]);
});
