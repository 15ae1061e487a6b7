import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { CreateOrderRequestSchema, OrderService } from '@paystream/core/contracts';
import { createOpenTelemetry } from '@paystream/core/otel';
import { createTestStack, eventually, goodOrder } from './test-stack.ts';
import { encode } from './ways-in.ts';

/** The trace that {@link traceOrderByGrpc} calls from: its id, and the span that is the caller's. */
export const caller = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };

/** Each span behind the names of those that it descends from: `process orders > charge simulated`. */
export function pathsIn(trace: readonly ReadableSpan[]): readonly string[] {
  const path = (span: ReadableSpan): string => {
    const parent = trace.find((other) => other.spanContext().spanId === span.parentSpanContext?.spanId);
    return parent === undefined ? span.name : `${path(parent)} > ${span.name}`;
  };
  return trace.map(path);
}

function createOrder(target: string, metadata: Metadata): Promise<unknown> {
  const { name, parent } = OrderService.method.createOrder;
  const client = new Client(target, credentials.createInsecure());
  const request = Buffer.from(encode(CreateOrderRequestSchema, { ...goodOrder, requestId: 'traced-by-grpc' }));
  const bytes = (given: Buffer): Buffer => given;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(`/${parent.typeName}/${name}`, bytes, bytes, request, metadata, (error, answer) =>
      error === null ? resolve(answer) : reject(error),
    );
  }).finally(() => client.close());
}

/** Runs a stack, places an order by gRPC as a caller who traces, and gives the spans of that trace once both notifications are out. */
export async function traceOrderByGrpc(settings: Readonly<Record<string, string>> = {}): Promise<readonly ReadableSpan[]> {
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  try {
    await using stack = await createTestStack(settings, [createOpenTelemetry({ tracerProvider })]);
    const metadata = new Metadata();
    metadata.set('traceparent', `00-${caller.traceId}-${caller.spanId}-01`);
    await createOrder(stack.grpc, metadata);
    return await eventually('both notifications', () => {
      const trace = exporter.getFinishedSpans().filter((span) => span.spanContext().traceId === caller.traceId);
      return trace.filter(({ name }) => name.startsWith('deliver ')).length === 2 ? trace : undefined;
    });
  } finally {
    context.disable();
  }
}

/** What a trace from a gRPC call over topics and consumers down to the databases has, at least. */
export const wholePath: readonly string[] = (() => {
  const call = 'paystream.order.v1.OrderService/CreateOrder';
  const processed = `${call} > process orders`;
  const settled = `${processed} > process transactions`;
  return [
    call,
    `${call} > batch order-placing > transaction > INSERT paystream_orders`,
    `${call} > batch order-placing > transaction > INSERT paystream_outbox`,
    `${call} > send orders`,
    processed,
    `${processed} > charge simulated`,
    `${processed} > send transactions`,
    `${settled} > transaction > UPDATE paystream_orders`,
    `${settled} > transaction > INSERT paystream_ledger_transfers`,
    `${settled} > send merchant-wallet-updates`,
    `${settled} > process merchant-wallet-updates > deliver email`,
  ];
})();
