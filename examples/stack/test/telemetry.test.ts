import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import type { Resource } from '@opentelemetry/resources';
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { createOpenTelemetry } from '@paystream/core/otel';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { readConfig } from '../src/config/config.ts';
import { otlpResource } from '../src/otlp-resource.ts';
import { wholeStack } from '../src/service-names.ts';
import { startStack } from '../src/stack.ts';
import { createTestStack, eventually, goodOrder, type TestStack } from './test-stack.ts';
import { caller, pathsIn, traceOrderByGrpc, wholePath } from './traced-order.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const headers = { 'content-type': 'application/json', traceparent: `00-${traceId}-b7ad6b7169203331-01`, tracestate: 'shop=1' };

/** Every name that docs/telemetry.md lists in a table, with its unit. */
function documented(): ReadonlyMap<string, string> {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/telemetry.md'), 'utf8');
  return new Map(
    [...text.matchAll(/^\| `(paystream_\w+)` \| `([\w.]+)` \| `([^`]+)` \|/gm)].map(([, , name = '', unit = '']) => [name, unit]),
  );
}

describe('an order of a caller who traces', () => {
  const spans = new InMemorySpanExporter();
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const meterProvider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })] });
  let stack: TestStack;
  let trace: readonly ReadableSpan[] = [];

  beforeAll(async () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] });
    stack = await createTestStack({}, [createOpenTelemetry({ tracerProvider, meterProvider })]);
    const body = JSON.stringify({ ...goodOrder, requestId: 'traced' });
    const response = await fetch(`${stack.http}/api/v1/checkout`, { method: 'POST', headers, body });
    expect(response.status).toBe(200);
    trace = await eventually('both notifications', () => {
      const found = spans.getFinishedSpans().filter((span) => span.spanContext().traceId === traceId);
      return found.filter(({ name }) => name.startsWith('deliver ')).length === 2 ? found : undefined;
    });
  });
  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await meterProvider.shutdown();
    context.disable();
  });

  it('is one trace from the call through payment and wallet to the notification, over the outbox', () => {
    const call = 'POST /api/v1/checkout';
    const settled = `${call} > process orders > process transactions`;
    expect(trace.find(({ name }) => name === call)?.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
    expect(pathsIn(trace)).toEqual(
      expect.arrayContaining([
        `${call} > batch order-placing > transaction > INSERT paystream_orders`,
        `${call} > batch order-placing > transaction > INSERT paystream_outbox`,
        `${call} > send orders`,
        `${call} > process orders > charge simulated`,
        `${call} > process orders > send transactions`,
        `${settled} > transaction > UPDATE paystream_orders`,
        `${settled} > send order-updates`,
        `${settled} > transaction > INSERT paystream_ledger_transfers`,
        `${settled} > send merchant-wallet-updates`,
        `${settled} > process merchant-wallet-updates > deliver email`,
        `${settled} > process merchant-wallet-updates > deliver sms`,
      ]),
    );
    expect([...new Set(trace.map((span) => span.spanContext().traceState?.serialize()))]).toEqual(['shop=1']);
  });

  it('is told by log entries that are found by its id, each of them', async () => {
    const entries = await eventually('the entries of the order', async () => {
      const rows = await stack.running.engine.database.query<{ event: string; trace_id: string }>(
        "SELECT event, trace_id FROM paystream_log_entries WHERE order_id <> ''",
      );
      return rows.some(({ event }) => event === 'order.paid') && rows.some(({ event }) => event === 'notification.delivered')
        ? rows
        : undefined;
    });
    expect(entries.map(({ event }) => event)).toEqual(expect.arrayContaining(['order.placed', 'order.paid', 'notification.delivered']));
    expect(entries.filter((entry) => entry.trace_id !== traceId)).toEqual([]);
  });

  it('has spans with the attributes of the semantic conventions', () => {
    const attributesOf = (name: string) => trace.find((span) => span.name === name)?.attributes;
    expect(attributesOf('POST /api/v1/checkout')).toMatchObject({
      'http.request.method': 'POST',
      'http.route': '/api/v1/checkout',
      'url.path': '/api/v1/checkout',
      'url.scheme': 'http',
      'http.response.status_code': 200,
    });
    expect(attributesOf('process orders')).toMatchObject({
      'messaging.system.name': 'embedded',
      'messaging.destination.name': 'orders',
      'messaging.destination.subscription.name': 'payment',
      'messaging.operation.type': 'process',
    });
    expect(attributesOf('INSERT paystream_outbox')).toMatchObject({
      'db.system.name': 'sqlite',
      'db.operation.name': 'INSERT',
      'db.collection.name': 'paystream_outbox',
    });
    expect(JSON.stringify(trace.map(({ attributes }) => attributes))).not.toContain('ada@example.org');
  });

  it('goes on in the process that serves the gateway', async () => {
    const kept = new InMemorySpanExporter();
    const telemetry = createOpenTelemetry({
      tracerProvider: new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: kept })] }),
    });
    const directory = await mkdtemp(join(tmpdir(), 'paystream-gateway-'));
    const ports = { PAYSTREAM_GRPC_PORT: '0', PAYSTREAM_HTTP_PORT: '0', PAYSTREAM_LOG_LEVEL: 'silent' };
    const gateway = await startStack(readConfig({ ...ports, PAYSTREAM_DATA_DIR: directory }), ['gateway'], [telemetry]);
    const caller = await createTestStack({ PAYSTREAM_GATEWAY_URL: `http://${gateway.server.grpcAddress}` }, [telemetry]);
    await caller.orders.placeAndWait({ ...goodOrder, requestId: 'charged-elsewhere' });
    await caller[Symbol.asyncDispose]();
    await gateway.stop();
    await rm(directory, { recursive: true });
    const [charge, served] = ['charge simulated', 'paystream.payment.v1.GatewayService/Charge'].map((name) =>
      kept.getFinishedSpans().find((span) => span.name === name),
    );
    expect(charge).toBeDefined();
    expect(served?.parentSpanContext?.spanId).toBe(charge?.spanContext().spanId);
  });

  it('leaves metrics that docs/telemetry.md lists, each with its unit', async () => {
    await meterProvider.forceFlush();
    const listed = documented();
    const emitted = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
    expect(emitted.length).toBeGreaterThan(20);
    const units = Object.fromEntries(emitted.map(({ descriptor }) => [descriptor.name, descriptor.unit]));
    expect(Object.fromEntries(Object.keys(units).map((name) => [name, listed.get(name)]))).toEqual(units);
  });

  it('tells of every queue of batches by its name', async () => {
    await meterProvider.forceFlush();
    const metrics = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
    const sizes = metrics.filter(({ descriptor }) => descriptor.name === 'paystream.batcher.batch_size');
    const names = new Set(sizes.flatMap(({ dataPoints }) => dataPoints.map(({ attributes }) => attributes['paystream.batcher'])));
    expect([...names].sort()).toEqual(['catalog', 'log-entries', 'notify-outcomes', 'order-placing', 'payment-outcomes']);
  });
});

it('an order that comes by gRPC is one trace from the caller’s span over topic and consumer to the databases', async () => {
  const trace = await traceOrderByGrpc();
  expect(pathsIn(trace)).toEqual(expect.arrayContaining([...wholePath]));
  expect(trace.find(({ name }) => name === wholePath[0])?.parentSpanContext?.spanId).toBe(caller.spanId);
});

describe('an order whose card is declined at first', () => {
  beforeAll(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  });
  afterAll(() => context.disable());

  it('leads from the caller’s trace to that of the later attempt, and there down to the wallet and the notification', async () => {
    const exporter = new InMemorySpanExporter();
    const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
    await using stack = await createTestStack({ PAYSTREAM_PAYMENT_RETRY_DELAY_MS: '50' }, [createOpenTelemetry({ tracerProvider })]);
    const order = { ...goodOrder, requestId: 'declined-at-first', paymentMethod: { reference: 'pm_decline_then_approve' } };
    const response = await fetch(`${stack.http}/api/v1/checkout`, { method: 'POST', headers, body: JSON.stringify(order) });
    expect(response.status).toBe(200);
    const traceOf = (span: ReadableSpan): string => span.spanContext().traceId;
    const named = (name: string): readonly ReadableSpan[] => exporter.getFinishedSpans().filter((span) => span.name === name);
    // Both the order's service and the wallet process what was decided.
    const last = ['resume payment', 'process transactions', 'deliver email', 'deliver sms'];
    await eventually('its end', () => (last.flatMap(named).length === 5 ? true : undefined));

    const [first, second] = named('charge simulated') as [ReadableSpan, ReadableSpan];
    expect(traceOf(first)).toBe(traceId);
    const later = exporter.getFinishedSpans().filter((span) => traceOf(span) === traceOf(second));
    const root = later.find((span) => span.parentSpanContext === undefined);
    expect(root?.name).toBe('resume payment');
    expect(root?.links.map(({ context: linked }) => linked.traceId)).toEqual([traceId]);
    const names = later.map(({ name }) => name);
    expect(names.filter((name) => name === 'process transactions')).toHaveLength(2);
    expect(names).toEqual(expect.arrayContaining(['send transactions', 'process merchant-wallet-updates', 'deliver email', 'deliver sms']));
    const orderIds = [first, second, ...named('deliver email')].map(({ attributes }) => attributes['paystream.order_id']);
    expect(orderIds[0]).toMatch(/\w/);
    expect(new Set(orderIds).size).toBe(1);
  });
});

describe('who sends to a collector', () => {
  const namesOf = ({ attributes }: Resource) =>
    ['service.namespace', 'service.name', 'service.instance.id'].map((name) => attributes[name]?.toString());
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('is told by service and instance, and by the machine where an instance has no name', () => {
    expect(namesOf(otlpResource(['order'], 'order-2'))).toEqual(['paystream', 'order', 'order-2']);
    expect(namesOf(otlpResource(wholeStack))).toEqual(['paystream', 'paystream', hostname()]);
  });

  it('is who the variables of OpenTelemetry say', () => {
    vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'service.instance.id=pod-7,service.namespace=shop,service.name=not-this');
    vi.stubEnv('OTEL_SERVICE_NAME', 'checkout');
    expect(namesOf(otlpResource(['order'], 'order-2'))).toEqual(['shop', 'checkout', 'pod-7']);
  });
});

it('goes to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names', async () => {
  const seen: string[] = [];
  const collector = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const sent = Buffer.concat(parts);
      seen.push(`${request.url} ${['paystream', 'teller-1'].every((name) => sent.includes(name))}`);
      response.end();
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  const stack = await createTestStack({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, PAYSTREAM_INSTANCE: 'teller-1' });
  await stack.orders.placeAndWait({ ...goodOrder, requestId: 'exported' });
  await stack[Symbol.asyncDispose]();
  collector.close();
  expect(new Set(seen)).toEqual(new Set(['/v1/traces true', '/v1/metrics true']));
});
