import { errorCodes, PaystreamError } from '@paystream/core';

/** The first line of a `PaystreamError` that a process prints: its code, its reason, and where its message begins. */
const header = /^PaystreamError \[([A-Z_]+)\] (\w+): (.*)$/;

/**
 * Why a service did not start, from how its process ended and the lines that it printed: the error that it ended with, under
 * the name of the service. One that ended without saying why is `SERVICE_FAILED`, with all of its lines.
 */
export function startFailure(name: string, how: string, printed: readonly string[]): PaystreamError {
  const at = printed.findLastIndex((line) => header.test(line));
  const [, named, reason = '', message] = header.exec(printed[at] ?? '') ?? [];
  const code = errorCodes.find((known) => known === named);
  if (code === undefined) {
    return new PaystreamError('FAILED_PRECONDITION', `${name} ended ${how} before it was ready:\n${printed.join('\n')}`, {
      reason: 'SERVICE_FAILED',
    });
  }
  const told = [message, ...printed.slice(at + 1)].join('\n');
  return new PaystreamError(code, `${name} did not start: ${told}`, { reason });
}
