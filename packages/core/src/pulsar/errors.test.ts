import { PulsarError, type PulsarErrorCode } from '@paystream/pulsar';
import { describe, expect, it } from 'vitest';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Subject } from '../pulsar-adapter/subject.ts';
import { fromPulsar } from './errors.ts';

const closed = new PaystreamError('CANCELED', 'the consumer is closed', { reason: 'CONSUMER_CLOSED' });
const subject: Subject = { what: 'cannot do it', details: { topic: 'orders' }, closed: () => closed };

/** Every code of the client: what a user of the port gets for it, and whether trying again may help. */
const expected: Readonly<Record<PulsarErrorCode, readonly [code: string, reason: string, retryable: boolean]>> = {
  INVALID_ARGUMENT: ['INVALID_ARGUMENT', 'BAD_OPTIONS', false],
  NOT_CONNECTED: ['UNAVAILABLE', 'PULSAR_UNREACHABLE', true],
  TIMEOUT: ['UNAVAILABLE', 'PULSAR_TIMEOUT', true],
  ALREADY_CLOSED: ['CANCELED', 'CONSUMER_CLOSED', false],
  CANCELED: ['CANCELED', 'ABORTED_BY_CALLER', false],
  AUTHENTICATION: ['UNAUTHENTICATED', 'PULSAR_CREDENTIALS_REFUSED', false],
  AUTHORIZATION: ['PERMISSION_DENIED', 'PULSAR_NOT_AUTHORIZED', false],
  TOPIC_NOT_FOUND: ['NOT_FOUND', 'TOPIC_NOT_FOUND', false],
  SUBSCRIPTION_NOT_FOUND: ['NOT_FOUND', 'SUBSCRIPTION_NOT_FOUND', false],
  TOPIC_TERMINATED: ['FAILED_PRECONDITION', 'TOPIC_TERMINATED', false],
  PRODUCER_BUSY: ['FAILED_PRECONDITION', 'PRODUCER_BUSY', false],
  PRODUCER_FENCED: ['FAILED_PRECONDITION', 'PRODUCER_FENCED', false],
  CONSUMER_BUSY: ['FAILED_PRECONDITION', 'SUBSCRIPTION_BUSY', false],
  QUOTA_EXCEEDED: ['RESOURCE_EXHAUSTED', 'BACKLOG_QUOTA_EXCEEDED', true],
  QUEUE_FULL: ['RESOURCE_EXHAUSTED', 'SEND_QUEUE_FULL', true],
  MEMORY_LIMIT: ['RESOURCE_EXHAUSTED', 'PULSAR_MEMORY_LIMIT', true],
  MESSAGE_TOO_LARGE: ['INVALID_ARGUMENT', 'MESSAGE_TOO_LARGE', false],
  CORRUPT: ['DATA_LOSS', 'MESSAGE_CORRUPT', false],
  INCOMPATIBLE_SCHEMA: ['FAILED_PRECONDITION', 'INCOMPATIBLE_SCHEMA', false],
  INVALID_MESSAGE: ['INVALID_ARGUMENT', 'BAD_MESSAGE', false],
  TRANSACTION_CONFLICT: ['ABORTED', 'TRANSACTION_CONFLICT', true],
  TRANSACTION_NOT_FOUND: ['NOT_FOUND', 'TRANSACTION_NOT_FOUND', false],
  TRANSACTION_STATE: ['FAILED_PRECONDITION', 'TRANSACTION_STATE', false],
  UNAVAILABLE: ['UNAVAILABLE', 'PULSAR_UNAVAILABLE', true],
  NOT_ALLOWED: ['FAILED_PRECONDITION', 'PULSAR_FORBIDS_IT', false],
  UNSUPPORTED: ['UNSUPPORTED', 'PULSAR_CANNOT_DO_IT', false],
  PROTOCOL: ['INTERNAL', 'PULSAR_PROTOCOL', false],
  BROKER: ['INTERNAL', 'PULSAR_ERROR', false],
};

describe('what fails in the Pulsar client', () => {
  it.each(Object.entries(expected))('%s is told in the terms of the port', (code, [to, reason, retryable]) => {
    const cause = new PulsarError(code as PulsarErrorCode, 'why');
    const error = fromPulsar(cause, subject);
    expect(error).toBeInstanceOf(PaystreamError);
    expect(error).toMatchObject({ code: to, reason, retryable });
    if (code === 'ALREADY_CLOSED') expect(error).toBe(closed);
    else expect(error).toMatchObject({ message: expect.stringContaining('cannot do it: why'), details: { topic: 'orders' }, cause });
  });

  it('is an outage to whoever publishes if it is so for all topics, and may pass if it speaks of one', () => {
    const ofOne = ['AUTHORIZATION', 'TOPIC_NOT_FOUND', 'SUBSCRIPTION_NOT_FOUND', 'TOPIC_TERMINATED', 'PRODUCER_BUSY', 'PRODUCER_FENCED'];
    const mayPass = [...ofOne, 'INCOMPATIBLE_SCHEMA', 'NOT_ALLOWED', 'AUTHENTICATION'];
    for (const [code, [as, reason, retryable]] of Object.entries(expected)) {
      const error = fromPulsar(new PulsarError(code as PulsarErrorCode, 'why'), { ...subject, publishing: true });
      expect(error).toMatchObject({ code: code === 'AUTHENTICATION' ? 'UNAVAILABLE' : as, reason });
      expect([code, error.retryable]).toEqual([code, retryable || mayPass.includes(code)]);
    }
  });

  it('keeps the name that the broker gives its error, and whether it passes', () => {
    const cause = new PulsarError('QUOTA_EXCEEDED', 'full', { serverError: 'ProducerBlockedQuotaExceededError', retryable: true });
    expect(fromPulsar(cause, subject)).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      retryable: true,
      details: { topic: 'orders', serverError: 'ProducerBlockedQuotaExceededError' },
    });
  });

  it('is an outage if the broker calls it passing, whatever its name: a consumer pauses then, and spends no attempt', () => {
    for (const code of ['BROKER', 'PROTOCOL'] as const) {
      const error = fromPulsar(new PulsarError(code, 'for now', { retryable: true }), subject);
      expect(error).toMatchObject({ code: 'UNAVAILABLE', reason: 'PULSAR_UNAVAILABLE', retryable: true });
    }
  });

  it('leaves alone what is none of the client', () => {
    const own = new PaystreamError('ABORTED', 'mine', { reason: 'MINE' });
    expect(fromPulsar(own, subject)).toBe(own);
    expect(fromPulsar(new TypeError('a slip'), subject).code).toBe('INTERNAL');
  });
});
