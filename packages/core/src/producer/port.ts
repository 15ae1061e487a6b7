import type { MessageId } from '../broker/port.ts';
import type { TraceContext } from '../telemetry/port.ts';

/** What may be said of an event beside its value, the trace that it belongs to among it. Default: the current span's. */
export interface SendOptions extends TraceContext {
  /** Default: a new id. */
  readonly eventId?: string | undefined;
  /** When it happened, in milliseconds since the epoch. Default: now. */
  readonly occurredAtMs?: number | undefined;
  /** What ties this event to others, as in logs. Default: none. */
  readonly correlationId?: string | undefined;
  /** Deliver it after so many milliseconds; shared and key-shared subscriptions only. Default: at once. */
  readonly delayMs?: number | undefined;
}

/** A typed producer of one topic. */
export interface Producer<I> {
  /** Where it publishes to. */
  readonly topic: string;
  /** Publishes a value. Resolves when the broker has stored it; rejects with `INVALID_ARGUMENT` if it does not fit the codec. */
  send(value: I, options?: SendOptions): Promise<MessageId>;
  /** Resolves when every send so far has settled. */
  flush(): Promise<void>;
  /** Flushes, then closes. Safe to call again. */
  close(): Promise<void>;
}
