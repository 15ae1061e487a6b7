import type { Clock } from '../clock/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { type Logger, silentLogger } from '../logger/port.ts';
import { createIdGenerator, type IdGenerator } from '../random/id.ts';
import { systemRandom } from '../random/system-random.ts';
import { type ServerCall, serverStops } from './call.ts';
import type { RpcContext } from './port.ts';

/** Turns what the handler of a call threw into what the client may see. */
export type ErrorReporter = (thrown: unknown, call: Pick<RpcContext, 'method' | 'traceparent'>) => PaystreamError;

/** Options of {@link createErrorReporter}. */
export interface ErrorReporterOptions {
  /** Where faults of ours are written. Default: nowhere. */
  readonly logger?: Logger | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** Makes the ids by which a client's error is found in the log. Default: version 7 UUIDs. */
  readonly newId?: IdGenerator | undefined;
}

/** What a database's error says to somebody who does not know of it. */
function atDatabase({ code, retryable }: PaystreamError): string {
  if (code === 'INVALID_ARGUMENT') return 'A value of the request cannot be stored.';
  if (retryable) return 'Another request was faster, or is not done yet. Try again.';
  return 'What the request asks for cannot be stored.';
}

/**
 * Makes the function through which every error leaves a server. Errors that speak of the request pass as they are. Those
 * that speak of the server (`INTERNAL`, `DATA_LOSS`, `UNAVAILABLE`), and all that a database says, whatever their code, name
 * hosts, files, statements: they are logged whole under a new id, with the trace of the call, and the client is told the id alone.
 */
export function createErrorReporter(options: ErrorReporterOptions = {}): ErrorReporter {
  const { logger = silentLogger, newId = createIdGenerator(options.clock ?? systemClock, systemRandom) } = options;
  return (thrown, { method, traceparent }) => {
    const error = PaystreamError.from(thrown);
    if (error.code === 'INTERNAL' || error.code === 'DATA_LOSS') {
      const errorId = newId();
      logger.error({ err: thrown, errorId, method, traceparent }, `${method} failed: ${error.message}`);
      return new PaystreamError(error.code, `The server failed in a way that it should not. Its log has the cause under ${errorId}.`, {
        reason: error.code === 'INTERNAL' ? 'INTERNAL_ERROR' : error.reason,
        retryable: error.retryable,
        details: { errorId },
      });
    }
    if (error.code === 'UNAVAILABLE' && error.reason !== serverStops) {
      const errorId = newId();
      const after = error.details['retryAfterMs'];
      logger.warn({ err: thrown, errorId, method, traceparent }, `${method} is unavailable: ${error.message}`);
      return new PaystreamError(
        'UNAVAILABLE',
        `Something that the server needs is away. Try again; its log has the cause under ${errorId}.`,
        {
          reason: error.reason,
          retryable: error.retryable,
          details: { errorId, ...(after === undefined ? {} : { retryAfterMs: after }) },
        },
      );
    }
    if (error.details['database'] !== undefined || error.details['sql'] !== undefined) {
      const errorId = newId();
      logger.warn({ err: thrown, errorId, method, traceparent }, `${method} failed at the database: ${error.message}`);
      return new PaystreamError(error.code, `${atDatabase(error)} The server's log has the cause under ${errorId}.`, {
        reason: error.reason,
        retryable: error.retryable,
        details: { errorId },
      });
    }
    return error;
  };
}

/** Writes what a handler threw after its call had been aborted, unless it only passes the reason on. */
export function lateErrors(report: ErrorReporter, call: ServerCall): (error: unknown) => void {
  return (error) => {
    if (error !== call.reason) report(error, call);
  };
}
