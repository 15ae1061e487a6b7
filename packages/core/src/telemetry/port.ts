/** Labels of a metric. Few values each: a topic, a state; never an id. */
export type Labels = Readonly<Record<string, string>>;

/** W3C trace context: what is passed on so that a trace goes on elsewhere. */
export interface TraceContext {
  /** `00-<trace id>-<span id>-<flags>` of the span that caused what is passed on. */
  readonly traceparent?: string | undefined;
  /** What tracing systems keep beside it; means nothing without `traceparent`. */
  readonly tracestate?: string | undefined;
}

/** What is known of a span, by the names of OpenTelemetry's semantic conventions. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** What may be said of a span when it starts. */
export interface SpanOptions {
  /** Its part between two programs. Default: `internal`. */
  readonly kind?: 'internal' | 'server' | 'client' | 'producer' | 'consumer' | undefined;
  /** What it is a child of: a context that was passed on, or the span that is current. Default: nothing; it begins a trace. */
  readonly parent?: TraceContext | 'current' | undefined;
  /** What it deals with besides, such as the messages of a batch. Those without `traceparent` are left out. */
  readonly links?: readonly TraceContext[] | undefined;
  /** Default: none. */
  readonly attributes?: SpanAttributes | undefined;
}

/** A span that was started. As a context it is this span, to pass on. */
export interface Span extends TraceContext {
  /** Runs work in which this span is the current one, across its awaits too. Gives what the work gives. */
  run<T>(work: () => T): T;
  /** Ends it; with an error if it failed, or with the attribute `error.type` where nothing was thrown. Only the first time counts. */
  end(error?: unknown, attributes?: SpanAttributes): void;
}

/**
 * Where the packages count and trace. Every method must be cheap and must not throw. Nothing is kept unless one is passed.
 */
export interface Telemetry {
  /** Whether spans are kept: if not, callers begin none, and hand trace contexts on as they came. */
  readonly tracing: boolean;
  /** Adds to a counter: `paystream_consumer_messages_total`. */
  count(name: string, labels: Labels, by?: number): void;
  /** Records one value in a histogram. The unit stands in the name: `paystream_gateway_call_seconds`. */
  observe(name: string, labels: Labels, value: number): void;
  /** Sets a gauge to what is true now. */
  gauge(name: string, labels: Labels, value: number): void;
  /** Starts a span. */
  startSpan(name: string, options?: SpanOptions): Span;
  /** The span that is current and has not ended; `undefined` outside of any. */
  current(): TraceContext | undefined;
  /** Runs work in which no span is current: what goes on in the background belongs to nobody's trace. */
  detached<T>(work: () => T): T;
}

/** Labels of a metric that has none. */
export const noLabels: Labels = {};

const runs = <T>(work: () => T): T => work();
const ignores = (): void => undefined;
const noSpan: Span = { traceparent: undefined, run: runs, end: ignores };

/** Keeps nothing: the default. */
export const noTelemetry: Telemetry = {
  tracing: false,
  count: ignores,
  observe: ignores,
  gauge: ignores,
  startSpan: (_name, { parent } = {}) => (parent === undefined || parent === 'current' ? noSpan : { ...parent, run: runs, end: ignores }),
  current: () => undefined,
  detached: runs,
};
