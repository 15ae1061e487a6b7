import { expect, it } from 'vitest';
import { ServerError } from '../gen/pulsar/wire_pb.ts';
import { serverError } from './server-error.ts';

it('gives every error of the protocol a code and its name', () => {
  for (const number of Object.values(ServerError)) {
    const error = serverError(number, 'why', 'SUBSCRIBE');
    expect(error.serverError).not.toMatch(/^error /);
    expect(error.message).toBe(`SUBSCRIBE failed with ${error.serverError}: why`);
  }
});

it('says which errors may pass', () => {
  const retryable = Object.values(ServerError).filter((number) => serverError(number, '', 'PRODUCER').retryable);
  expect(retryable.map((number) => serverError(number, '', 'PRODUCER').serverError)).toEqual([
    'UnknownError',
    'MetadataError',
    'PersistenceError',
    'ServiceNotReady',
    'ProducerBlockedQuotaExceededError',
    'ProducerBlockedQuotaExceededException',
    'ChecksumError',
    'ConsumerNotFound',
    'TooManyRequests',
    'TransactionCoordinatorNotFound',
  ]);
});

it('does not try again what the broker only calls an error of its metadata', () => {
  expect(serverError(ServerError.METADATA_ERROR, '', 'UNSUBSCRIBE').retryable).toBe(false);
  expect(serverError(ServerError.METADATA_ERROR, '', 'LOOKUP').retryable).toBe(true);
});

it('copes with an error of a later version', () => {
  expect(serverError(99 as ServerError, undefined, 'SEEK')).toMatchObject({ code: 'BROKER', serverError: 'error 99', retryable: false });
});
