import { PaystreamError } from '@paystream/core';
import type { DeliveryOutcome } from '../channel/port.ts';

/** What nodemailer's errors carry beside the message. */
interface SmtpError {
  readonly message: string;
  readonly code?: string;
  readonly command?: string;
  readonly responseCode?: number;
  readonly response?: string;
  readonly syscall?: string;
  readonly timeoutType?: string;
}

/** Faults that come up before any message is sent: no such host, no TLS, wrong credentials. */
const beforeSending: ReadonlySet<string> = new Set(['EDNS', 'EAUTH', 'ETLS', 'EREQUIRETLS', 'ECONFIG', 'EPROXY', 'EOAUTH2', 'ENOAUTH']);

function isAway(error: SmtpError): boolean {
  if (error.responseCode === 421 || error.syscall === 'connect') return true;
  if (error.timeoutType === 'CONNECT_TIMEOUT' || error.timeoutType === 'GREETING_TIMEOUT') return true;
  return error.code !== undefined && beforeSending.has(error.code);
}

/**
 * What an error of nodemailer says of the message. A reply of the server is clear: 5xx refuses it, 4xx puts it off. Faults
 * before it was sent are clear too. Everything else, a connection that breaks above all, leaves it unknown.
 *
 * Returns a refusal; throws otherwise, as `Channel` says.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5321#section-4.2.1
 */
export function outcomeOfSmtpError(thrown: unknown, server: string): DeliveryOutcome {
  const error = thrown as SmtpError;
  const { responseCode } = error;
  const said = error.response ?? error.message;
  if (isAway(error)) {
    throw new PaystreamError('UNAVAILABLE', `the SMTP server ${server} takes no mail: ${said}`, {
      reason: 'SMTP_UNAVAILABLE',
      cause: thrown,
    });
  }
  if (responseCode !== undefined && responseCode >= 500) return { outcome: 'rejected', reason: said };
  if (responseCode !== undefined && responseCode >= 400) {
    throw new PaystreamError('ABORTED', `the SMTP server ${server} puts the message off: ${said}`, {
      reason: 'SMTP_DEFERRED',
      cause: thrown,
    });
  }
  throw new PaystreamError('INTERNAL', `it is not known whether the SMTP server ${server} took the message: ${said}`, {
    reason: 'SMTP_UNKNOWN',
    cause: thrown,
  });
}
