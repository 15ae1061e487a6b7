/** Labels of a metric. Few values each: a topic, a state; never an id. */
export type Labels = Readonly<Record<string, string>>;

/** A span that was started. */
export interface Span {
  /** W3C `traceparent` of this span, to pass on; `undefined` if nothing traces. */
  readonly traceparent: string | undefined;
  /** Ends it; with an error if it failed. */
  end(error?: unknown): void;
}

/**
 * Where the packages count and trace. Every method must be cheap and must not throw. Nothing is kept unless one is passed.
 */
export interface Telemetry {
  /** Adds to a counter: `paystream_consumer_messages_total`. */
  count(name: string, labels: Labels, by?: number): void;
  /** Records one value in a histogram. The unit stands in the name: `paystream_gateway_call_seconds`. */
  observe(name: string, labels: Labels, value: number): void;
  /** Sets a gauge to what is true now. */
  gauge(name: string, labels: Labels, value: number): void;
  /** Starts a span as a child of `traceparent`, if given. */
  startSpan(name: string, traceparent?: string, labels?: Labels): Span;
}

const noSpan: Span = { traceparent: undefined, end: () => undefined };

/** Keeps nothing: the default. */
export const noTelemetry: Telemetry = {
  count: () => undefined,
  observe: () => undefined,
  gauge: () => undefined,
  startSpan: (_name, traceparent) => (traceparent === undefined ? noSpan : { traceparent, end: () => undefined }),
};
