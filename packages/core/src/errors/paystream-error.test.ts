import { describe, expect, it } from 'vitest';
import { PaystreamError } from './paystream-error.ts';

describe('PaystreamError', () => {
  it('is itself when made from itself', () => {
    const error = new PaystreamError('NOT_FOUND', 'no order "o1"', { reason: 'ORDER_NOT_FOUND' });
    expect(PaystreamError.from(error)).toBe(error);
  });

  it('is recognised when it comes from another copy of the package', () => {
    const other = Object.assign(new Error('x'), { [Symbol.for('paystream.error')]: true, code: 'NOT_FOUND' });
    expect(PaystreamError.is(other)).toBe(true);
    expect([new Error('x'), null, undefined, 'x', { code: 'NOT_FOUND' }].some((value) => PaystreamError.is(value))).toBe(false);
  });

  it.each([
    [new DOMException('gone', 'AbortError'), 'CANCELED', 'ABORTED_BY_CALLER', false],
    [new DOMException('late', 'TimeoutError'), 'DEADLINE_EXCEEDED', 'TIMED_OUT', false],
    [new TypeError('a bug'), 'INTERNAL', 'UNEXPECTED', false],
    ['text', 'INTERNAL', 'UNEXPECTED', false],
    [null, 'INTERNAL', 'UNEXPECTED', false],
  ] as const)('keeps what was thrown as the cause: %s', (thrown, code, reason, retryable) => {
    expect(PaystreamError.from(thrown)).toMatchObject({ code, reason, retryable, cause: thrown });
  });

  it('may succeed later only if that lies in its code, or if it says so', () => {
    const retryable = (code: 'UNAVAILABLE' | 'ABORTED' | 'RESOURCE_EXHAUSTED' | 'INTERNAL'): boolean =>
      new PaystreamError(code, '', { reason: 'X' }).retryable;
    expect([retryable('UNAVAILABLE'), retryable('ABORTED'), retryable('RESOURCE_EXHAUSTED'), retryable('INTERNAL')]).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(new PaystreamError('INTERNAL', '', { reason: 'X', retryable: true }).retryable).toBe(true);
  });

  it('reads as what happened and why, in a log and a terminal', () => {
    const error = new PaystreamError('UNAVAILABLE', 'cannot reach MySQL at 127.0.0.1:3306', { reason: 'MYSQL_CONNECT_REFUSED' });
    expect(String(error)).toBe('PaystreamError [UNAVAILABLE] MYSQL_CONNECT_REFUSED: cannot reach MySQL at 127.0.0.1:3306');
    expect(error.stack).toContain('paystream-error.test.ts');
  });
});
