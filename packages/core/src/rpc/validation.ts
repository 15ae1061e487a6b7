import type { DescMessage, Message, MessageShape } from '@bufbuild/protobuf';
import { isMessage } from '@bufbuild/protobuf';
import { pathToString } from '@bufbuild/protobuf/reflect';
import { createValidator, type ValidationResult } from '@bufbuild/protovalidate';
import { PaystreamError } from '../errors/paystream-error.ts';
import { matchPlain } from './plain-pattern.ts';

/** Throws `INVALID_ARGUMENT` / `REQUEST_INVALID` with the fields that break the rules written in the proto file. */
export type RequestValidator = <D extends DescMessage>(schema: D, message: MessageShape<D>) => void;

// A request with more list elements than this is checked until its first fault only: listing them all is the sender's
// way to have us work.
const smallRequest = 2_000;
const namedInMessage = 3;

function countElements(message: Message, limit: number): number {
  let count = 0;
  for (const value of Object.values(message)) {
    if (count > limit) return count;
    if (Array.isArray(value)) {
      count += value.length;
      if (count > limit) return count;
      for (const item of value) if (isMessage(item)) count += countElements(item, limit - count);
    } else if (isMessage(value)) {
      count += countElements(value, limit - count);
    }
  }
  return count;
}

function requestInvalid(result: Extract<ValidationResult, { kind: 'invalid' }>): PaystreamError {
  const violations = result.violations.map(({ field, message }) => ({ field: pathToString(field), description: message }));
  const named = violations
    .slice(0, namedInMessage)
    .map(({ field, description }) => (field === '' ? description : `${field}: ${description}`));
  const more = violations.length - named.length;
  return new PaystreamError('INVALID_ARGUMENT', `The request breaks a rule: ${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}.`, {
    reason: 'REQUEST_INVALID',
    violations,
  });
}

/**
 * Makes a validator of protovalidate rules. Each message type is compiled once. The first fault is found fast, however
 * large the request; all faults are listed for requests of ordinary size.
 *
 * @see https://protovalidate.com
 */
export function createRequestValidator(): RequestValidator {
  const fast = createValidator({ failFast: true, regexMatch: matchPlain });
  const first = createValidator({ failFast: true });
  const all = createValidator();
  const beyondPlain = new Set<DescMessage>();
  return (schema, message) => {
    if (!beyondPlain.has(schema)) {
      const { kind } = fast.validate(schema, message);
      if (kind === 'valid') return;
      if (kind === 'error') beyondPlain.add(schema);
    }
    let result = first.validate(schema, message);
    if (result.kind === 'valid') return;
    if (result.kind === 'invalid' && countElements(message, smallRequest) <= smallRequest) result = all.validate(schema, message);
    if (result.kind === 'invalid') throw requestInvalid(result);
    throw new PaystreamError('INTERNAL', `The rules of ${schema.typeName} cannot be applied.`, {
      reason: 'VALIDATION_RULES_BROKEN',
      cause: result.kind === 'error' ? result.error : undefined,
    });
  };
}

/** The validator that an option asks for: ours, none, or one's own. */
export function validatorOf(option: boolean | RequestValidator): RequestValidator | undefined {
  if (typeof option === 'function') return option;
  return option ? createRequestValidator() : undefined;
}
