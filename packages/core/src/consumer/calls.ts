import type { ClockTimer } from '../clock/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { labelsWithError } from '../telemetry/labels.ts';
import type { Span, SpanOptions } from '../telemetry/port.ts';
import type { Delivery, HandlerContext } from './port.ts';
import type { ConsumerSettings } from './settings.ts';

/** A call that failed. */
export interface Failure {
  readonly error: PaystreamError;
  /** The span that it failed in; where none is kept, of a single message the one that it came from. */
  readonly traceparent: string | undefined;
}

/** Runs the user's handler: traced, timed, with a signal that is aborted when its time is up. */
export interface Calls<T> {
  /** Resolves when the handler has settled, whatever its signal says: with nothing, or with how it failed. */
  run(batch: readonly Delivery<T>[]): Promise<Failure | undefined>;
  /** Aborts the signal of every call under way and of those to come. */
  abort(reason: PaystreamError): void;
  close(): void;
}

interface Call {
  readonly deadlineMs: number;
  traceparent: string | undefined;
  controller: AbortController | undefined;
  aborted: PaystreamError | undefined;
}

function contextOf(call: Call): HandlerContext {
  return {
    // Most handlers never look at it, and a controller costs more than a small handler.
    get signal() {
      if (call.controller === undefined) {
        call.controller = new AbortController();
        if (call.aborted !== undefined) call.controller.abort(call.aborted);
      }
      return call.controller.signal;
    },
  };
}

/** What a handler throws when its signal is aborted says less than why it was. */
function failureOf({ aborted }: Call, error: PaystreamError): PaystreamError {
  return aborted !== undefined && error.code === 'CANCELED' ? aborted : error;
}

/** The handler of one message goes on with the trace in the span of its call. */
function traced<T>(batch: readonly Delivery<T>[], { traceparent, tracestate }: Span): readonly Delivery<T>[] {
  const [first] = batch;
  return first === undefined || batch.length > 1 ? batch : [{ ...first, traceparent, tracestate }];
}

/** One message is a child of who sent it; a batch begins a trace of its own, which is linked with all of them. */
function spanOptions<T>({ system, topic, subscription }: ConsumerSettings<T>, batch: readonly Delivery<T>[]): SpanOptions {
  const attributes = {
    'messaging.system.name': system,
    'messaging.destination.name': topic.name,
    'messaging.destination.subscription.name': subscription,
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
  };
  const [first] = batch;
  return batch.length === 1 && first !== undefined
    ? { kind: 'consumer', parent: first, attributes: { ...attributes, 'messaging.message.id': first.messageId } }
    : { kind: 'consumer', links: batch, attributes: { ...attributes, 'messaging.batch.message_count': batch.length } };
}

/** One timer watches all calls: they have the same limit, so the oldest is always the first to be due. */
export function createCalls<T>(settings: ConsumerSettings<T>): Calls<T> {
  const { clock, timeoutMs, telemetry, logger, subscription } = settings;
  const labels = { topic: settings.topic.name, subscription };
  const spanName = `process ${settings.topic.name}`;
  const measured = labelsWithError({ ...labels, system: settings.system });
  const calls = new Set<Call>();
  let timer: ClockTimer | undefined;
  let ending: PaystreamError | undefined;

  const abort = (call: Call, reason: PaystreamError): void => {
    if (call.aborted !== undefined) return;
    call.aborted = reason;
    call.controller?.abort(reason);
  };

  const watch = (delayMs: number): void => {
    timer = clock.setTimer(
      delayMs,
      () => {
        timer = undefined;
        const now = clock.monotonic();
        for (const call of calls) {
          if (call.aborted !== undefined) continue;
          if (call.deadlineMs > now) {
            watch(call.deadlineMs - now);
            return;
          }
          logger.warn(
            { ...labels, timeoutMs, traceparent: call.traceparent },
            'a handler has used up its time: its signal is aborted, its lane stays held until it settles',
          );
          abort(
            call,
            new PaystreamError('DEADLINE_EXCEEDED', `the handler took longer than ${timeoutMs} ms`, {
              reason: 'HANDLER_TIMED_OUT',
              retryable: true,
            }),
          );
        }
      },
      { unref: true },
    );
  };

  return {
    run: async (batch) => {
      const startMs = clock.monotonic();
      const call: Call = { deadlineMs: startMs + timeoutMs, traceparent: undefined, controller: undefined, aborted: ending };
      calls.add(call);
      if (timeoutMs > 0 && timer === undefined) watch(timeoutMs);
      const span = telemetry.tracing ? telemetry.startSpan(spanName, spanOptions(settings, batch)) : undefined;
      call.traceparent = span === undefined && batch.length === 1 ? batch[0]?.traceparent : span?.traceparent;
      let error: PaystreamError | undefined;
      try {
        if (span === undefined) await settings.invoke(batch, contextOf(call));
        else await span.run(() => settings.invoke(traced(batch, span), contextOf(call)));
      } catch (thrown) {
        error = failureOf(call, settings.errorOf(thrown));
      }
      calls.delete(call);
      span?.end(error);
      telemetry.observe('paystream_consumer_handler_seconds', measured(error), (clock.monotonic() - startMs) / 1_000);
      return error === undefined ? undefined : { error, traceparent: call.traceparent };
    },
    abort: (reason) => {
      ending = reason;
      for (const call of calls) abort(call, reason);
    },
    close: () => timer?.cancel(),
  };
}
