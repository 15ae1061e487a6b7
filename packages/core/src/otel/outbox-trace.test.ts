import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createConsumer } from '../consumer/consumer.ts';
import { outboxEvent } from '../outbox/event.ts';
import { foreign, outboxIn, steps } from '../outbox/test-support.ts';
import { createTestWorld } from '../testing/test-world.ts';
import { createOpenTelemetry } from './open-telemetry.ts';

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});
afterAll(() => context.disable());

it('a consumer goes on with the trace of who added the event, though the process is gone that should have published it', async () => {
  const spans = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] });
  const telemetry = createOpenTelemetry({ tracerProvider: provider });
  await using world = await createTestWorld();
  const { broker, clock, random } = world;
  const database = { ...world.database, exclusive: false };

  const gone = await outboxIn(world, { database, telemetry });
  const call = telemetry.startSpan('call', {
    kind: 'server',
    parent: { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: 'shop=1' },
  });
  // Without a word that it has committed: nothing is published yet.
  await call.run(() => database.transaction((tx) => gone.add(foreign(tx), [outboxEvent(steps, { key: 'a', n: 1 })])));
  call.end();
  await gone.close(0);

  const heard: (string | undefined)[] = [];
  await using _consumer = await createConsumer(broker, steps, {
    subscription: 'test',
    clock,
    random,
    telemetry,
    handler: async (_step, { delivery }) => void heard.push(delivery.tracestate),
  });
  const next = await outboxIn(world, { database, telemetry });
  await world.advance(30_000);
  await next.close();

  const [called] = spans.getFinishedSpans().filter(({ name }) => name === 'call');
  const later = spans.getFinishedSpans().filter(({ name }) => name !== 'call');
  expect(heard).toEqual(['shop=1']);
  expect(later.map(({ name, parentSpanContext }) => [name, parentSpanContext?.spanId])).toEqual([
    ['send steps', called?.spanContext().spanId],
    ['process steps', called?.spanContext().spanId],
  ]);
});
