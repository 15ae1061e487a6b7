import { PaystreamError } from '../errors/paystream-error.ts';
import type { Codec } from './codec.ts';
import type { StandardIssue, StandardSchema } from './standard-schema.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();

function pathOf(issue: StandardIssue): string {
  return (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
}

function validate<I, O>(schema: StandardSchema<I, O>, value: unknown, reason: string): O {
  const result = schema['~standard'].validate(value);
  if (result instanceof Promise) {
    throw new PaystreamError('UNSUPPORTED', 'the schema validates asynchronously; a codec needs one that does not', {
      reason: 'ASYNC_SCHEMA',
    });
  }
  if (result.issues === undefined) return result.value;
  const violations = result.issues.map((issue) => ({ field: pathOf(issue), description: issue.message }));
  const text = violations.map((v) => (v.field === '' ? v.description : `${v.field}: ${v.description}`)).join('; ');
  throw new PaystreamError('INVALID_ARGUMENT', text, { reason, violations });
}

/** A codec for JSON that any Standard Schema describes; validated both when sent and when received. */
export function json<I, O>(schema: StandardSchema<I, O>): Codec<O, I> {
  return {
    contentType: 'application/json',
    encode: (value) => {
      validate(schema, value, 'INVALID_MESSAGE');
      return encoder.encode(JSON.stringify(value));
    },
    decode: (bytes) => {
      let value: unknown;
      try {
        value = JSON.parse(decoder.decode(bytes));
      } catch (cause) {
        throw new PaystreamError('INVALID_ARGUMENT', `${bytes.length} bytes are not JSON: ${String(cause)}`, {
          reason: 'UNDECODABLE',
          cause,
        });
      }
      return validate(schema, value, 'UNDECODABLE');
    },
  };
}
