import { PaystreamError } from '../errors/paystream-error.ts';
import type { Principal, RpcContext } from './port.ts';

/** Who calls where no authenticator is set: may act for every merchant. */
export const anonymous: Principal = { id: 'anonymous', merchants: 'all' };

/**
 * Throws unless the caller may act for a merchant: `PERMISSION_DENIED` / `MERCHANT_FORBIDDEN`. Where a caller must not
 * even learn that something exists, pass `otherwise`, which makes the same error as for a thing that is not there.
 *
 * @example
 * ```ts
 * requireMerchant(context, request.merchantId);
 * requireMerchant(context, order.merchantId, () => orderNotFound(order.orderId));
 * ```
 */
export function requireMerchant(context: Pick<RpcContext, 'principal'>, merchantId: string, otherwise?: () => PaystreamError): void {
  const { principal } = context;
  if (principal.merchants === 'all' || principal.merchants.has(merchantId)) return;
  throw (
    otherwise?.() ??
    new PaystreamError('PERMISSION_DENIED', `"${principal.id}" may not act for merchant "${merchantId}".`, {
      reason: 'MERCHANT_FORBIDDEN',
      details: { merchantId },
    })
  );
}
