import { PaystreamError } from '@paystream/core';
import { expect, it } from 'vitest';
import { startFailure } from '../../src/launch/failure.ts';

it('tells once what a service ended with, and which service it was', () => {
  const error = new PaystreamError('UNAUTHENTICATED', 'MySQL at 127.0.0.1:3306 refuses the password: check it', { reason: 'REFUSED' });
  const failure = startFailure('logger-1', 'with code 1', ['{"level":40,"msg":"slow"}', ...String(error).split('\n')]);
  expect(String(failure)).toBe(
    'PaystreamError [UNAUTHENTICATED] REFUSED: logger-1 did not start: MySQL at 127.0.0.1:3306 refuses the password: check it',
  );
});

it('leaves out no line of what a service ended with', () => {
  const error = new PaystreamError('INVALID_ARGUMENT', 'the settings are wrong:\n  ONE is too long\n  OTHER is none', {
    reason: 'INVALID',
  });
  expect(startFailure('order-2', 'with code 1', String(error).split('\n'))).toMatchObject({
    code: 'INVALID_ARGUMENT',
    reason: 'INVALID',
    message: 'order-2 did not start: the settings are wrong:\n  ONE is too long\n  OTHER is none',
  });
});

it.each([
  ['with code 1', ['TypeError: x is not a function', '    at main.ts:3:1']],
  ['by SIGKILL', []],
  ['with code 2', ['PaystreamError [UNHEARD_OF] REASON: of another release']],
])('tells how a service ended that did not say why: %s', (how, printed) => {
  expect(startFailure('gateway', how, printed)).toMatchObject({
    reason: 'SERVICE_FAILED',
    message: `gateway ended ${how} before it was ready:\n${printed.join('\n')}`,
  });
});
