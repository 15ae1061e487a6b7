import { expect, it } from 'vitest';
import { createMemoryTelemetry } from '../testing/memory-telemetry.ts';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { createBusinessLog } from './business-log.ts';
import { paystreamTopics } from './topics.ts';

const telemetry = createMemoryTelemetry();
const log = createBusinessLog({
  topic: paystreamTopics().orderLogs,
  service: 'order',
  clock: createVirtualClock(),
  nextId: () => 'e-1',
  telemetry,
});
const fact = { event: 'order.paid', message: 'paid' };

it('an entry is found by the trace that its fact names, else by that of the span in which it was told', () => {
  const span = telemetry.startSpan('refund');
  const named = { traceparent: `00-${'a'.repeat(32)}-b7ad6b7169203331-01`, tracestate: 'shop=1' };
  const ids = span.run(() => [log({ ...fact, trace: named }), log({ ...fact, trace: {} }), log(fact)]).map(({ value }) => value);
  const own = span.traceparent?.split('-')[1];
  expect(ids).toMatchObject([{ traceId: 'a'.repeat(32) }, { traceId: own }, { traceId: own }]);
  expect(log(fact)).toMatchObject({ value: { traceId: '' } });
});

it('an entry and the message that carries it name one trace', () => {
  const span = telemetry.startSpan('refund');
  const event = span.run(() => log(fact));
  expect(event).toMatchObject({ traceparent: span.traceparent, value: { traceId: span.traceparent?.split('-')[1] } });
});
