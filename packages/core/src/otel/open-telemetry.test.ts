import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PaystreamError } from '../errors/paystream-error.ts';
import { createSdk } from './test-support.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const remote = { traceparent: `00-${traceId}-b7ad6b7169203331-01`, tracestate: 'vendor=a,other=b' };

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});
afterAll(() => context.disable());

describe('traces by OpenTelemetry', () => {
  it('go on with a trace that came from elsewhere, state and all', () => {
    const { telemetry, spans } = createSdk();
    const span = telemetry.startSpan('process orders', {
      kind: 'consumer',
      parent: remote,
      attributes: { 'messaging.system.name': 'pulsar' },
    });
    span.end();
    expect(span.traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    expect(span.traceparent).not.toContain('b7ad6b7169203331');
    expect(span.tracestate).toBe(remote.tracestate);
    expect(spans()).toMatchObject([
      {
        name: 'process orders',
        parentSpanContext: { traceId, spanId: 'b7ad6b7169203331', isRemote: true },
        attributes: { 'messaging.system.name': 'pulsar' },
      },
    ]);
  });

  it.each([
    undefined,
    '',
    'nonsense',
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `ff-${traceId}-b7ad6b7169203331-01`,
  ])('begin anew where %j came, which is no context', (traceparent) => {
    const { telemetry, spans } = createSdk();
    telemetry.startSpan('a', { parent: { traceparent } }).end();
    expect(spans()[0]?.parentSpanContext).toBeUndefined();
  });

  it('keep the decision of the caller not to sample', () => {
    const { telemetry, spans } = createSdk();
    const span = telemetry.startSpan('a', { parent: { traceparent: `00-${traceId}-b7ad6b7169203331-00` } });
    expect(span.traceparent).toMatch(/-00$/);
    expect(span.run(() => telemetry.current())).toEqual({ traceparent: span.traceparent, tracestate: undefined });
    span.end();
    expect(spans()).toEqual([]);
  });

  it('make what runs in a span its children, across awaits, until it ends', async () => {
    const { telemetry, spans } = createSdk();
    const outer = telemetry.startSpan('outer');
    await outer.run(async () => {
      await Promise.resolve();
      expect(telemetry.current()?.traceparent).toBe(outer.traceparent);
      telemetry.startSpan('inner', { parent: 'current' }).end();
      telemetry.detached(() => telemetry.startSpan('background', { parent: 'current' }).end());
      outer.end();
      expect(telemetry.current()).toBeUndefined();
      telemetry.startSpan('late', { parent: 'current' }).end();
    });
    expect(telemetry.current()).toBeUndefined();
    const parents = Object.fromEntries(spans().map(({ name, parentSpanContext }) => [name, parentSpanContext?.spanId]));
    expect(parents).toEqual({ inner: outer.traceparent?.split('-')[2], background: undefined, outer: undefined, late: undefined });
    expect(trace.getSpan(context.active())).toBeUndefined();
  });

  it('keep nothing that comes later in the trace of a call that ended, though its caller did not sample', async () => {
    const { telemetry, spans } = createSdk();
    const call = telemetry.startSpan('call', { parent: { traceparent: `00-${traceId}-b7ad6b7169203331-00` } });
    await call.run(async () => {
      const work = telemetry.startSpan('work', { parent: 'current' });
      const background = work.run(async () => {
        await Promise.resolve();
        expect(telemetry.current()?.traceparent).toBe(work.traceparent);
        work.end();
        expect(telemetry.current()).toBeUndefined();
        telemetry.startSpan('late', { parent: 'current' }).end();
      });
      expect(telemetry.current()?.traceparent).toBe(call.traceparent);
      await background;
      call.end();
      expect(telemetry.current()).toBeUndefined();
    });
    expect(spans().map(({ name, parentSpanContext }) => [name, parentSpanContext])).toEqual([['late', undefined]]);
  });

  it('link a batch with each trace that it has messages of, once', () => {
    const { telemetry, spans } = createSdk();
    telemetry.startSpan('batch', { links: [remote, {}, remote, { traceparent: 'nonsense' }] }).end();
    expect(spans()[0]?.links).toMatchObject([{ context: { traceId, spanId: 'b7ad6b7169203331' } }]);
  });

  it('say what failed; an answer that the client asked for is no failure of the server', () => {
    const { telemetry, spans } = createSdk();
    telemetry.startSpan('call', { kind: 'server' }).end(new PaystreamError('NOT_FOUND', 'no order', { reason: 'UNKNOWN_ORDER' }));
    telemetry.startSpan('call', { kind: 'server' }).end(new PaystreamError('UNAVAILABLE', 'away', { reason: 'AWAY' }));
    telemetry.startSpan('send', { kind: 'producer' }).end(new Error('bug'));
    telemetry.startSpan('call', { kind: 'server' }).end(undefined, { 'error.type': '503' });
    expect(spans().map(({ status, attributes }) => [status.code, attributes['error.type'], attributes['paystream.reason']])).toEqual([
      [SpanStatusCode.UNSET, undefined, 'UNKNOWN_ORDER'],
      [SpanStatusCode.ERROR, 'AWAY', 'AWAY'],
      [SpanStatusCode.ERROR, 'UNEXPECTED', 'UNEXPECTED'],
      [SpanStatusCode.ERROR, '503', undefined],
    ]);
  });
});

describe('metrics by OpenTelemetry', () => {
  it('have the names of the semantic conventions, or ours in their form, and units', async () => {
    const { telemetry, metrics } = createSdk();
    const labels = { topic: 'orders', subscription: 'payment', system: 'pulsar' };
    telemetry.observe('paystream_consumer_handler_seconds', labels, 0.25);
    telemetry.observe('paystream_outbox_lag_seconds', { topic: 'orders' }, 1);
    telemetry.count('paystream_orders_total', { outcome: 'placed' });
    telemetry.count('paystream_orders_total', { outcome: 'placed' }, 2);
    telemetry.gauge('paystream_outbox_pending', {}, 3);
    telemetry.gauge('paystream_outbox_pending', {}, 2);
    expect(await metrics()).toMatchObject([
      {
        name: 'messaging.process.duration',
        unit: 's',
        points: [
          {
            attributes: {
              'messaging.destination.name': 'orders',
              'messaging.destination.subscription.name': 'payment',
              'messaging.system.name': 'pulsar',
            },
            value: { count: 1, sum: 0.25 },
          },
        ],
      },
      { name: 'paystream.outbox.lag', unit: 's' },
      { name: 'paystream.orders', unit: '{order}', points: [{ attributes: { 'paystream.outcome': 'placed' }, value: 3 }] },
      { name: 'paystream.outbox.pending', unit: '{message}', points: [{ value: 2 }] },
    ]);
  });
});
