import { PaystreamError } from '../errors/paystream-error.ts';
import type { TraceContext } from '../telemetry/port.ts';
import type { Principal, RpcContext } from './port.ts';
import { anonymous } from './principal.ts';

/** The reason of the error that ends what still runs when the server stops. */
export const serverStops = 'SERVER_STOPS';

/** A request to a plain HTTP route. */
export interface HttpTarget {
  /** As the client sent it: `HEAD` for one that a route for `GET` answers. */
  readonly method: string;
  /** `/api/v1/orders/:orderId` */
  readonly route: string;
  /** `/api/v1/orders/o-1` */
  readonly path: string;
}

/** How a call came: by which RPC system, or to which route. */
export type Transport = 'grpc' | 'connectrpc' | HttpTarget;

/**
 * A call under way, as transports make it and middleware completes it: the handler's context. Its signals come into being
 * only when a handler asks for them, since most never do and a call must cost little.
 */
export class ServerCall implements RpcContext {
  readonly method: string;
  readonly deadlineMs: number | undefined;
  readonly transport: Transport | undefined;
  principal: Principal = anonymous;
  readonly #header: (name: string) => string | undefined;
  #trace: TraceContext | undefined;
  #controller: AbortController | undefined;
  #stopping: AbortController | undefined;
  #stops = false;
  #ended = false;
  #reason: PaystreamError | undefined;
  #onAbort: ((reason: PaystreamError) => void) | undefined;

  constructor(method: string, deadlineMs: number | undefined, header: (name: string) => string | undefined, transport?: Transport) {
    this.method = method;
    this.deadlineMs = deadlineMs;
    this.#header = header;
    this.transport = transport;
  }

  header(name: string): string | undefined {
    return this.#header(name);
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  get stopping(): AbortSignal {
    if (this.#stopping === undefined) {
      this.#stopping = new AbortController();
      if (this.#stops) this.#stopping.abort();
    }
    return this.#stopping.signal;
  }

  get traceparent(): string | undefined {
    return this.#trace === undefined ? this.#header('traceparent') : this.#trace.traceparent;
  }

  get tracestate(): string | undefined {
    return this.#trace === undefined ? this.#header('tracestate') : this.#trace.tracestate;
  }

  /** What the handler passes on instead of what the client sent. */
  traceAs(trace: TraceContext): void {
    this.#trace = trace;
  }

  /** Why it was aborted, if it was. */
  get reason(): PaystreamError | undefined {
    return this.#reason;
  }

  /** Whether its answer is on its way; nothing aborts it any more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Calls back when it is aborted, at once if it was. One listener: the transport's. */
  onAbort(listener: (reason: PaystreamError) => void): void {
    this.#onAbort = listener;
    if (this.#reason !== undefined) listener(this.#reason);
  }

  /** Ends it early. Nothing happens once it has ended. */
  abort(reason: PaystreamError): void {
    if (this.#ended || this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.#onAbort?.(reason);
  }

  /** Tells whoever only waits to answer with what there is. */
  stop(): void {
    this.#stops = true;
    this.#stopping?.abort();
  }

  /** Its answer is on its way. */
  end(): void {
    this.#ended = true;
  }
}

/** The error of a call whose client has gone. */
export function clientGone(): PaystreamError {
  return new PaystreamError('CANCELED', 'The client cancelled the call, or is gone.', { reason: 'CLIENT_GONE' });
}

/** The error of a call that took longer than its client waits. */
export function deadlinePassed(): PaystreamError {
  return new PaystreamError('DEADLINE_EXCEEDED', "The call's deadline has passed.", { reason: 'DEADLINE_PASSED' });
}

/** The error that ends what runs when the server stops. */
export function stopped(): PaystreamError {
  return new PaystreamError('UNAVAILABLE', 'The server stops. Connect again.', { reason: serverStops });
}
