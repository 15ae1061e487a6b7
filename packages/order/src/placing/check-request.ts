import { type FieldViolation, PaystreamError } from '@paystream/core';
import { type CreateOrderRequest, type Customer, characterCount, msFromDuration } from '@paystream/core/contracts';
import { isCardNumber } from './card-number.ts';

// The rules of the contract (`buf.validate` in the protos) once more: callers in the process come past the transports'
// validation, and what is stored and charged must not depend on the way that a request took.

const token = /^[A-Za-z0-9_.:-]+$/;
const phone = /^\+[1-9][0-9]{6,14}$/;
const email =
  /^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/;

const namedInMessage = 3;
const maxItems = 500;
const maxQuantity = 10_000;
const maxWaitMs = 120_000;

/** The error for a request whose fields break rules. */
export function invalidRequest(reason: string, violations: readonly FieldViolation[]): PaystreamError {
  const named = violations.slice(0, namedInMessage).map(({ field, description }) => `${field}: ${description}`);
  const more = violations.length > named.length ? `; and ${violations.length - named.length} more` : '';
  return new PaystreamError('INVALID_ARGUMENT', `${named.join('; ')}${more}`, { reason, violations });
}

/** Collects violations. */
interface Checker {
  readonly violations: FieldViolation[];
  length(field: string, text: string, min: number, max: number): void;
  check(holds: boolean, field: string, description: string): void;
}

function createChecker(): Checker {
  const violations: FieldViolation[] = [];
  const check: Checker['check'] = (holds, field, description) => {
    if (!holds) violations.push({ field, description });
  };
  return {
    violations,
    check,
    length: (field, text, min, max) => {
      const fits = text.length >= min && (text.length <= max || characterCount(text) <= max);
      check(fits, field, `must be ${min} to ${max} characters long, not ${characterCount(text)}`);
      check(text.isWellFormed(), field, 'must be well-formed Unicode');
    },
  };
}

function checkCustomer(checker: Checker, customer: Customer | undefined): void {
  if (customer === undefined) {
    checker.check(false, 'customer', 'is required');
    return;
  }
  checker.length('customer.customer_id', customer.customerId, 1, 64);
  checker.length('customer.name', customer.name, 1, 200);
  checker.check(email.test(customer.email), 'customer.email', 'must be an email address');
  checker.check(customer.phone === '' || phone.test(customer.phone), 'customer.phone', 'must be in E.164 form, as "+4930123456"');
}

function checkItems(checker: Checker, items: CreateOrderRequest['items']): void {
  if (items.length < 1 || items.length > maxItems) {
    checker.check(false, 'items', `must have 1 to ${maxItems} lines, not ${items.length}`);
    return;
  }
  items.forEach(({ productId, quantity }, index) => {
    checker.length(`items[${index}].product_id`, productId, 1, 64);
    const fits = Number.isInteger(quantity) && quantity >= 1 && quantity <= maxQuantity;
    checker.check(fits, `items[${index}].quantity`, `must be 1 to ${maxQuantity}, not ${quantity}`);
  });
}

/** Throws `INVALID_ARGUMENT` / `REQUEST_INVALID` with a violation for each field that breaks a rule. */
export function checkRequest(request: CreateOrderRequest): void {
  const checker = createChecker();
  checker.length('request_id', request.requestId, 1, 128);
  checker.check(request.requestId === '' || token.test(request.requestId), 'request_id', `must match ${token.source}`);
  checker.length('merchant_id', request.merchantId, 1, 64);
  checkCustomer(checker, request.customer);
  const reference = request.paymentMethod?.reference;
  if (reference === undefined) checker.check(false, 'payment_method', 'is required');
  else {
    checker.length('payment_method.reference', reference, 1, 255);
    checker.check(reference === '' || token.test(reference), 'payment_method.reference', `must match ${token.source}`);
    checker.check(!isCardNumber(reference), 'payment_method.reference', "must be the gateway's token of a card, not its number");
  }
  checkItems(checker, request.items);
  checkWait(checker, 'wait', msFromDuration(request.wait));
  if (checker.violations.length > 0) throw invalidRequest('REQUEST_INVALID', checker.violations);
}

function checkWait(checker: Checker, field: string, waitMs: number | undefined): void {
  const fits = waitMs === undefined || (waitMs >= 0 && waitMs <= maxWaitMs);
  checker.check(fits, field, `must be 0 to ${maxWaitMs / 1000} s, not ${(waitMs ?? 0) / 1000} s`);
}

/** Throws `INVALID_ARGUMENT` / `REQUEST_INVALID` for a time that may not be waited. */
export function checkTimeout(timeoutMs: number): void {
  const checker = createChecker();
  checkWait(checker, 'timeout', timeoutMs);
  if (checker.violations.length > 0) throw invalidRequest('REQUEST_INVALID', checker.violations);
}

/** Throws `INVALID_ARGUMENT` / `REQUEST_INVALID` for a reason that is too long to store. */
export function checkReason(reason: string): void {
  const checker = createChecker();
  checker.length('reason', reason, 0, 500);
  if (checker.violations.length > 0) throw invalidRequest('REQUEST_INVALID', checker.violations);
}
