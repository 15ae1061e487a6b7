import { PaystreamError } from '../errors/paystream-error.ts';
import { type ServerCall, stopped } from './call.ts';

/** How many calls may run at once. Beyond that they are refused with `RESOURCE_EXHAUSTED` / `TOO_MANY_CALLS`. */
export interface RpcLimits {
  /** Unary calls. Default: 2,000. */
  readonly maxConcurrent?: number | undefined;
  /** Open streams. Default: 20,000. */
  readonly maxStreams?: number | undefined;
}

const retryAfterMs = '250';

function tooMany(what: string, limit: number): PaystreamError {
  return new PaystreamError('RESOURCE_EXHAUSTED', `The server has ${limit} ${what} under way, as many as it takes. Try again.`, {
    reason: 'TOO_MANY_CALLS',
    details: { limit: String(limit), retryAfterMs },
  });
}

/** The calls that run now, over all transports and services of one server. */
export interface RunningCalls {
  /** How many run. */
  readonly size: number;
  /** Takes a call in; throws if there are too many or the server stops. */
  enter(call: ServerCall, stream: boolean): void;
  leave(call: ServerCall): void;
  /** Takes no new calls, ends streams, tells those that only wait. */
  stop(): void;
  /** Ends whatever still runs. */
  cut(): void;
}

export function createRunningCalls(limits: RpcLimits = {}): RunningCalls {
  const { maxConcurrent = 2_000, maxStreams = 20_000 } = limits;
  const unary = new Set<ServerCall>();
  const streams = new Set<ServerCall>();
  let stops = false;
  return {
    get size() {
      return unary.size + streams.size;
    },
    enter: (call, stream) => {
      if (stops) throw stopped();
      if (stream) {
        if (streams.size >= maxStreams) throw tooMany('streams', maxStreams);
        streams.add(call);
      } else {
        if (unary.size >= maxConcurrent) throw tooMany('calls', maxConcurrent);
        unary.add(call);
      }
    },
    leave: (call) => {
      if (!unary.delete(call)) streams.delete(call);
    },
    stop: () => {
      stops = true;
      for (const call of unary) call.stop();
      for (const call of streams) {
        call.stop();
        call.abort(stopped());
      }
    },
    cut: () => {
      for (const call of [...unary, ...streams]) call.abort(stopped());
    },
  };
}
