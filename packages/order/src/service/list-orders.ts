import { create } from '@bufbuild/protobuf';
import { type ListOrdersRequest, type ListOrdersResponse, ListOrdersResponseSchema, OrderState } from '@paystream/core/contracts';
import { invalidRequest } from '../placing/check-request.ts';
import { orderOf } from '../store/order-record.ts';
import type { OrderStore } from '../store/order-store.ts';
import { pageTokenAfter, readPageToken } from './page-token.ts';

const defaultPageSize = 50;
const maxPageSize = 500;

/** How many orders a page looks at to find those in a state: so a rare state costs more pages, never a long query. */
const maxScanned = 2_000;

/** One page of a merchant's orders, newest first. */
export async function listOrders(store: OrderStore, request: ListOrdersRequest): Promise<ListOrdersResponse> {
  const size = request.pageSize === 0 ? defaultPageSize : request.pageSize;
  if (!Number.isInteger(size) || size < 1 || size > maxPageSize) {
    throw invalidRequest('REQUEST_INVALID', [{ field: 'page_size', description: `must be 0 to ${maxPageSize}, not ${request.pageSize}` }]);
  }
  const before = readPageToken(request.pageToken);
  const all = request.state === OrderState.UNSPECIFIED;
  const limit = all ? size : maxScanned;
  const scanned = await store.page(request.merchantId, before, limit + 1);
  const looked = scanned.slice(0, limit);
  const chosen = (all ? looked : looked.filter((row) => row.state === request.state)).slice(0, size);
  const last = chosen.length === size ? chosen.at(-1) : looked.at(-1);
  const more = last !== undefined && last.orderId !== scanned.at(-1)?.orderId;
  const ids = chosen.map((row) => row.orderId);
  const records = ids.length === 0 ? new Map<string, never>() : await store.find(store.reader, ids);
  return create(ListOrdersResponseSchema, {
    orders: ids.flatMap((id) => records.get(id) ?? []).map(orderOf),
    nextPageToken: more ? pageTokenAfter(last.orderId) : '',
  });
}
