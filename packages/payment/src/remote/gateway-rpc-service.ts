import { defineRpcService, PaystreamError, type RpcContext, type RpcService } from '@paystream/core';
import { fromMoneyMessage, GatewayService, LookUpState, msFromTimestamp, timestampFromMs, toMoneyMessage } from '@paystream/core/contracts';
import type { Gateway } from '../gateway/port.ts';
import { toChargeResponse, toRefundAbility } from './messages.ts';

function missing(gateway: Gateway, what: string): PaystreamError {
  return new PaystreamError('UNSUPPORTED', `the gateway "${gateway.name}" has no ${what}`, { reason: 'GATEWAY_CANNOT' });
}

/** Money moves at its word: nobody but operators may ask. */
function requireOperator({ principal }: RpcContext): void {
  if (principal.merchants === 'all') return;
  throw new PaystreamError(
    'PERMISSION_DENIED',
    `"${principal.id}" may not use the gateway: a payment processor's key may act for every merchant`,
    {
      reason: 'OPERATORS_ONLY',
    },
  );
}

/**
 * A gateway as `paystream.payment.v1.GatewayService`, for a server to take. Only who may act for every merchant may call:
 * `PERMISSION_DENIED` / `OPERATORS_ONLY` for others. What the gateway throws is thrown on: its outcome is unknown.
 *
 * @example
 * const server = await createRpcServer({ services: [gatewayRpcService(gateway)], grpc: { port: 50_061 } });
 */
export function gatewayRpcService(gateway: Gateway): RpcService {
  return defineRpcService(GatewayService, {
    getAbilities: async (_, context) => {
      requireOperator(context);
      const { abilities } = gateway;
      return {
        name: gateway.name,
        idempotent: abilities.idempotent,
        idempotencyWindowMs: BigInt(abilities.idempotencyWindowMs),
        visibilityDelayMs: BigInt(abilities.visibilityDelayMs),
        lookup: abilities.lookup,
        refunds: toRefundAbility(abilities.refunds),
        listCharges: abilities.listCharges,
      };
    },
    charge: async ({ key, amount, paymentMethod, paymentId, orderId, merchantId, customerId }, context) => {
      requireOperator(context);
      const names = { key, paymentMethod, paymentId, orderId, merchantId, customerId };
      return toChargeResponse(await gateway.charge({ ...names, amount: fromMoneyMessage(amount), signal: context.signal }));
    },
    lookUpCharge: async ({ key }, context) => {
      requireOperator(context);
      if (gateway.lookup === undefined) throw missing(gateway, 'look-up');
      const found = await gateway.lookup(key, context.signal);
      if (found === 'not-found') return { state: LookUpState.NOT_FOUND };
      if (found === 'pending') return { state: LookUpState.PENDING };
      return { state: LookUpState.FOUND, answer: toChargeResponse(found) };
    },
    refundCharge: async ({ key, chargeKey, gatewayId, amount }, context) => {
      requireOperator(context);
      if (gateway.refund === undefined) throw missing(gateway, 'refunds');
      const answer = await gateway.refund({ key, chargeKey, gatewayId, amount: fromMoneyMessage(amount), signal: context.signal });
      return answer.outcome === 'refunded'
        ? { refunded: true, gatewayId: answer.gatewayId }
        : { refunded: false, gatewayId: answer.gatewayId ?? '', declineCode: answer.code };
    },
    listCharges: async function* ({ startTime, endTime }, context) {
      requireOperator(context);
      if (gateway.listCharges === undefined) throw missing(gateway, 'list of charges');
      const endMs = endTime === undefined ? Number.MAX_SAFE_INTEGER : msFromTimestamp(endTime);
      for await (const page of gateway.listCharges({ startMs: msFromTimestamp(startTime), endMs })) {
        context.signal.throwIfAborted();
        yield {
          charges: page.map(({ amount, createdAtMs, ...charge }) => ({
            ...charge,
            amount: toMoneyMessage(amount),
            createTime: timestampFromMs(createdAtMs),
          })),
        };
      }
    },
  });
}
