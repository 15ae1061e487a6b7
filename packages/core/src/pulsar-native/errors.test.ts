import { describe, expect, it } from 'vitest';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Subject } from '../pulsar-adapter/subject.ts';
import { fromAddon } from './errors.ts';

const closed = new PaystreamError('CANCELED', 'the consumer is closed', { reason: 'CONSUMER_CLOSED' });
const subject: Subject = { what: 'cannot do it', details: { topic: 'orders' }, closed: () => closed };

describe('what fails in the addon', () => {
  it.each([
    ['Failed to send message: TimeOut', 'UNAVAILABLE', 'PULSAR_TIMEOUT', true],
    ['Failed to send message: ResultDisconnected', 'UNAVAILABLE', 'PULSAR_UNREACHABLE', true],
    ['Failed to create producer: ConnectError', 'UNAVAILABLE', 'PULSAR_UNREACHABLE', true],
    ['Failed to create consumer: ConsumerBusy', 'FAILED_PRECONDITION', 'SUBSCRIPTION_BUSY', false],
    ['Failed to create consumer: AuthorizationError', 'PERMISSION_DENIED', 'PULSAR_NOT_AUTHORIZED', false],
    ['Failed to create producer: ProducerBlockedQuotaExceededException', 'RESOURCE_EXHAUSTED', 'BACKLOG_QUOTA_EXCEEDED', true],
    ['Failed to send message: MessageTooBig', 'INVALID_ARGUMENT', 'MESSAGE_TOO_LARGE', false],
    ['Failed to seek message by id: OperationNotSupported', 'UNSUPPORTED', 'PULSAR_CANNOT_DO_IT', false],
    ['Failed to seek message by id: ResultNotAllowedError', 'UNAVAILABLE', 'PULSAR_UNAVAILABLE', true],
    ['Failed to seek message by timestamp: ResultNotAllowedError', 'UNAVAILABLE', 'PULSAR_UNAVAILABLE', true],
    ['Failed to create producer: ResultNotAllowedError', 'FAILED_PRECONDITION', 'PULSAR_FORBIDS_IT', false],
    ['Failed to do what is new: ResultThatNobodyKnows', 'INTERNAL', 'PULSAR_ERROR', false],
  ])('%s is told in the terms of the port', (message, code, reason, retryable) => {
    const cause = new Error(message);
    const error = fromAddon(cause, subject);
    expect(error).toMatchObject({ code, reason, retryable, cause, message: `cannot do it: ${message}`, details: { topic: 'orders' } });
  });

  it.each([
    ['AuthenticationError', 'UNAVAILABLE', 'PULSAR_CREDENTIALS_REFUSED', true],
    ['AuthorizationError', 'PERMISSION_DENIED', 'PULSAR_NOT_AUTHORIZED', true],
    ['TopicTerminated', 'FAILED_PRECONDITION', 'TOPIC_TERMINATED', true],
    ['TopicNotFound', 'NOT_FOUND', 'TOPIC_NOT_FOUND', true],
    ['ProducerFenced', 'FAILED_PRECONDITION', 'PRODUCER_FENCED', true],
    ['ResultThatNobodyKnows', 'INTERNAL', 'PULSAR_ERROR', false],
    ['ChecksumError', 'DATA_LOSS', 'MESSAGE_CORRUPT', false],
    ['OperationNotSupported', 'UNSUPPORTED', 'PULSAR_CANNOT_DO_IT', false],
    ['MessageTooBig', 'INVALID_ARGUMENT', 'MESSAGE_TOO_LARGE', false],
  ])(
    '%s is an outage to whoever publishes if it is so for all topics, and may pass if it speaks of one',
    (result, code, reason, retryable) => {
      const error = fromAddon(new Error(`Failed to send message: ${result}`), { ...subject, publishing: true });
      expect(error).toMatchObject({ code, reason, retryable });
    },
  );

  it('is what it means that the thing is closed, if it is', () => {
    expect(fromAddon(new Error('Failed to acknowledge: AlreadyClosed'), subject)).toBe(closed);
  });

  it('leaves alone what is none of the addon', () => {
    const own = new PaystreamError('ABORTED', 'mine', { reason: 'MINE' });
    expect(fromAddon(own, subject)).toBe(own);
    expect(fromAddon(new TypeError('a slip'), subject)).toMatchObject({ code: 'INTERNAL', reason: 'UNEXPECTED' });
  });
});
