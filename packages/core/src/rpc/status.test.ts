import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ErrorCode, PaystreamError } from '../errors/paystream-error.ts';
import { RetryInfoSchema } from '../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../gen/google/rpc/status_pb.ts';
import { errorCodeOfGrpc, grpcCodeOf, httpStatusOf } from './codes.ts';
import { errorFromRpc } from './from-rpc-error.ts';
import { decodeStatus, encodeStatus } from './status.ts';

const codes: Record<ErrorCode, [number, number]> = {
  CANCELED: [1, 499],
  INVALID_ARGUMENT: [3, 400],
  DEADLINE_EXCEEDED: [4, 504],
  NOT_FOUND: [5, 404],
  ALREADY_EXISTS: [6, 409],
  PERMISSION_DENIED: [7, 403],
  RESOURCE_EXHAUSTED: [8, 429],
  FAILED_PRECONDITION: [9, 400],
  ABORTED: [10, 409],
  UNSUPPORTED: [12, 501],
  INTERNAL: [13, 500],
  UNAVAILABLE: [14, 503],
  DATA_LOSS: [15, 500],
  UNAUTHENTICATED: [16, 401],
};
const fallback = { code: 'INTERNAL', message: 'fallback' } as const;

describe('codes', () => {
  it('are the numbers that every gRPC client knows, both ways', () => {
    for (const [code, [number, http]] of Object.entries(codes) as [ErrorCode, [number, number]][]) {
      expect([code, grpcCodeOf(code), httpStatusOf(code), errorCodeOfGrpc(number)]).toEqual([code, number, http, code]);
    }
    expect([2, 11, 99].map(errorCodeOfGrpc)).toEqual(['INTERNAL', 'INVALID_ARGUMENT', 'INTERNAL']);
  });
});

describe('a status', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 60 });
  it('carries an error whole', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...(Object.keys(codes) as ErrorCode[])),
        text.filter((message) => message !== ''),
        fc.dictionary(
          fc.stringMatching(/^[a-z]{1,8}$/).filter((name) => name !== 'retryable'),
          text,
          { maxKeys: 4 },
        ),
        fc.array(fc.record({ field: text, description: text }), { maxLength: 4 }),
        fc.option(fc.boolean(), { nil: undefined }),
        (code, message, details, violations, retryable) => {
          const sent = new PaystreamError(code, message, {
            reason: 'SOME_REASON',
            details,
            violations,
            ...(retryable === undefined ? {} : { retryable }),
          });
          const received = decodeStatus(encodeStatus(sent), fallback, undefined);
          expect({ ...received }).toEqual({ ...sent, details: { ...details } });
          expect(received.message).toBe(message);
        },
      ),
    );
  });

  it('stays small enough for trailers, however much is wrong', () => {
    const violations = Array.from({ length: 10_000 }, (_, index) => ({
      field: `items[${index}].quantity`,
      description: 'x'.repeat(5_000),
    }));
    const error = new PaystreamError('INVALID_ARGUMENT', 'y'.repeat(100_000), {
      reason: 'R',
      violations,
      details: { big: 'z'.repeat(9_999) },
    });
    const bytes = encodeStatus(error);
    expect(Buffer.from(bytes).toString('base64').length).toBeLessThan(8_192);
    expect(decodeStatus(bytes, fallback, undefined).violations.length).toBeGreaterThan(5);
  });

  it('survives text that is no Unicode', () => {
    const received = decodeStatus(encodeStatus(new PaystreamError('NOT_FOUND', 'no \ud800', { reason: 'R' })), fallback, undefined);
    expect(received.message).toBe('no \ufffd');
  });

  it('says when to come again in the standard way', () => {
    const error = new PaystreamError('RESOURCE_EXHAUSTED', 'full', { reason: 'FULL', details: { retryAfterMs: '1500' } });
    const { details } = fromBinary(StatusSchema, encodeStatus(error));
    const info = details.map((any) => anyUnpack(any, RetryInfoSchema)).find((found) => found !== undefined);
    expect(info?.retryDelay).toMatchObject({ seconds: 1n, nanos: 500_000_000 });
  });

  it.each([
    ['UNAVAILABLE', true, 1n],
    ['RESOURCE_EXHAUSTED', true, 1n],
    ['RESOURCE_EXHAUSTED', false, undefined],
    ['ABORTED', true, undefined],
    ['INTERNAL', false, undefined],
  ] as const)(
    'asks for a second where something is away or too busy and does not know for how long: %s, retryable %s',
    (code, retryable, seconds) => {
      const { details } = fromBinary(StatusSchema, encodeStatus(new PaystreamError(code, 'no', { reason: 'R', retryable })));
      const info = details.map((any) => anyUnpack(any, RetryInfoSchema)).find((found) => found !== undefined);
      expect(info?.retryDelay?.seconds).toBe(seconds);
    },
  );

  it('that is garbage leaves code and message to tell', () => {
    expect(decodeStatus(Uint8Array.of(0xff, 0xff), { code: 'NOT_FOUND', message: 'gone' }, undefined)).toMatchObject({
      code: 'NOT_FOUND',
      message: 'gone',
      reason: 'RPC_NOT_FOUND',
    });
  });
});

describe('an error that no Paystream server made', () => {
  it('of a gRPC client keeps its code', () => {
    const error = { code: 14, details: 'No connection established', metadata: { get: () => [] } };
    expect(errorFromRpc(error)).toMatchObject({
      code: 'UNAVAILABLE',
      reason: 'RPC_UNAVAILABLE',
      message: 'No connection established',
      retryable: true,
    });
  });

  it('of anything else is what PaystreamError.from makes of it', () => {
    expect(errorFromRpc(new TypeError('bug'))).toMatchObject({ code: 'INTERNAL', reason: 'UNEXPECTED' });
    const mine = new PaystreamError('ABORTED', 'raced', { reason: 'RACED' });
    expect(errorFromRpc(mine)).toBe(mine);
  });
});
