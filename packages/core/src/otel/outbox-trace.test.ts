import { context, SpanKind } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createConsumer } from '../consumer/consumer.ts';
import { outboxEvent } from '../outbox/event.ts';
import { commit, events, foreign, outboxIn, steps, type TestOutbox } from '../outbox/test-support.ts';
import type { Telemetry } from '../telemetry/port.ts';
import { createTestWorld, type TestWorld } from '../testing/test-world.ts';
import { createOpenTelemetry } from './open-telemetry.ts';

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});
afterAll(() => context.disable());

function createSdk() {
  const spans = new InMemorySpanExporter();
  const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] });
  return { spans, telemetry: createOpenTelemetry({ tracerProvider }) };
}

it('a consumer goes on with the trace of who added the event, though the process is gone that should have published it', async () => {
  const { spans, telemetry } = createSdk();
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

/** Consumes what `work` adds to an outbox; gives the spans that it leaves, by name. */
async function published(work: (world: TestWorld, outbox: TestOutbox, telemetry: Telemetry) => Promise<void>) {
  const { spans, telemetry } = createSdk();
  await using world = await createTestWorld();
  const { broker, clock, random } = world;
  await using _consumer = await createConsumer(broker, steps, {
    subscription: 'test',
    clock,
    random,
    telemetry,
    handler: async () => undefined,
  });
  const outbox = await outboxIn(world, { telemetry });
  await work(world, outbox, telemetry);
  await world.advance(10);
  await outbox.close();
  const named = (name: string) => spans.getFinishedSpans().filter((span) => span.name === name);
  return { calls: named('call'), sends: named('send steps'), processed: named('process steps') };
}
const parentOf = ({ parentSpanContext }: ReadableSpan): string | undefined => parentSpanContext?.spanId;
const idOf = (span: ReadableSpan | undefined): string | undefined => span?.spanContext().spanId;
const countOf = ({ attributes }: ReadableSpan) => attributes['messaging.batch.message_count'];

it('a consumer goes on with the trace in which an event was sent that nobody traced before', async () => {
  const { sends, processed } = await published((world, outbox) => commit(world.database, outbox, 'a1'));
  expect(sends.map((send) => [send.kind, parentOf(send), countOf(send)])).toEqual([[SpanKind.PRODUCER, undefined, undefined]]);
  expect(processed.map(parentOf)).toEqual([idOf(sends[0])]);
});

it('several events that nobody traced share no trace, since each is a matter of its own', async () => {
  const { sends, processed } = await published((world, outbox) => commit(world.database, outbox, 'a1 b1'));
  expect(sends.map((send) => [send.kind, parentOf(send), countOf(send)])).toEqual([[SpanKind.CLIENT, undefined, 2]]);
  expect(processed.map(parentOf)).toEqual([undefined, undefined]);
});

it.each(['a1', 'a1 b1'])('a consumer goes on with the trace of who added %s; the span that sends is a call of the broker', async (text) => {
  const { calls, sends, processed } = await published(async (world, outbox, telemetry) => {
    const traced = events(text).map((event) => {
      const call = telemetry.startSpan('call');
      call.end();
      return { ...event, traceparent: call.traceparent };
    });
    await world.database.transaction((tx) => outbox.add(tx, traced));
  });
  const callers = calls.map(idOf);
  expect(processed.map(parentOf)).toEqual(callers);
  expect(sends.map(({ kind }) => kind)).toEqual([SpanKind.CLIENT]);
  const [send] = sends;
  expect(send && countOf(send)).toBe(callers.length === 1 ? undefined : callers.length);
  expect(send?.links.map((link) => link.context.spanId)).toEqual(callers.length === 1 ? [] : callers);
});
