import { invalidRequest } from '../placing/check-request.ts';

const version = 'o1.';
const orderId = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Sorts after every order id. */
const afterAll = '~';

/** The token of the page after an order. */
export function pageTokenAfter(lastOrderId: string): string {
  return Buffer.from(version + lastOrderId).toString('base64url');
}

/** The order id that a page begins below. Throws `INVALID_ARGUMENT` / `INVALID_PAGE_TOKEN` for a token that no page gave. */
export function readPageToken(token: string): string {
  if (token === '') return afterAll;
  const text = Buffer.from(token, 'base64url').toString();
  const id = text.startsWith(version) ? text.slice(version.length) : '';
  if (orderId.test(id) && pageTokenAfter(id) === token) return id;
  throw invalidRequest('INVALID_PAGE_TOKEN', [
    { field: 'page_token', description: 'must be the next_page_token of an earlier page, or empty for the first' },
  ]);
}
