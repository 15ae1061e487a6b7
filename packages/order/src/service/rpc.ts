import { defineRpcService, type RpcService, requireMerchant } from '@paystream/core';
import { OrderService as OrderServiceDefinition } from '@paystream/core/contracts';
import type { OrderService } from './port.ts';

/** The order service for transports. A caller that may not act for the merchant of its request gets `PERMISSION_DENIED`. */
export function orderRpcService(service: Omit<OrderService, 'rpc'>): RpcService {
  return defineRpcService(OrderServiceDefinition, {
    createOrder: async (request, context) => {
      requireMerchant(context, request.merchantId);
      return { order: await service.createOrder(request, context) };
    },
    getOrder: async (request, context) => {
      requireMerchant(context, request.merchantId);
      return { order: await service.getOrder(request) };
    },
    listOrders: async (request, context) => {
      requireMerchant(context, request.merchantId);
      return service.listOrders(request);
    },
    waitOrder: async (request, context) => {
      requireMerchant(context, request.merchantId);
      return service.waitOrder(request, context);
    },
    watchOrder: (request, context) => {
      requireMerchant(context, request.merchantId);
      return service.watchOrder(request, context);
    },
    cancelOrder: async (request, context) => {
      requireMerchant(context, request.merchantId);
      return { order: await service.cancelOrder(request, context) };
    },
  });
}
