import { defineRpcService, PaystreamError, type RpcService } from '@paystream/core';
import { msFromTimestamp, PaymentService } from '@paystream/core/contracts';
import type { PaymentProcessor } from './port.ts';

function unknownPayment(orderId: string, merchantId: string): PaystreamError {
  return new PaystreamError('NOT_FOUND', `merchant "${merchantId}" has no payment of order "${orderId}"`, {
    reason: 'UNKNOWN_PAYMENT',
    details: { orderId, merchantId },
  });
}

/**
 * The processor as `paystream.payment.v1.PaymentService`, for a server to take. Only who may act for every merchant may
 * reconcile: `PERMISSION_DENIED` / `OPERATORS_ONLY` for others.
 */
export function paymentRpcService(processor: Pick<PaymentProcessor, 'getPayment' | 'reconcile'>): RpcService {
  return defineRpcService(PaymentService, {
    getPayment: async ({ orderId, merchantId }, { principal }) => {
      const allowed = principal.merchants === 'all' || principal.merchants.has(merchantId);
      const payment = allowed ? await processor.getPayment(orderId) : undefined;
      if (payment?.merchantId !== merchantId) throw unknownPayment(orderId, merchantId);
      return { payment };
    },
    reconcile: async ({ startTime, endTime }, { principal }) => {
      if (principal.merchants !== 'all') {
        throw new PaystreamError('PERMISSION_DENIED', `"${principal.id}" may not compare the books of all merchants`, {
          reason: 'OPERATORS_ONLY',
        });
      }
      return processor.reconcile({
        startMs: msFromTimestamp(startTime),
        ...(endTime === undefined ? {} : { endMs: msFromTimestamp(endTime) }),
      });
    },
  });
}
