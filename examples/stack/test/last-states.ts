import type { OrderState } from '@paystream/core/contracts';
import { createOrderClient } from '@paystream/order/client';

/** The state of each order once it is final, or a minute after it was asked for. */
export async function lastStates(target: string, orderIds: Iterable<string>): Promise<Map<string, OrderState | undefined>> {
  const client = createOrderClient({ baseUrl: `http://${target}`, protocol: 'grpc' });
  const states = new Map<string, OrderState | undefined>();
  for (const orderId of orderIds) {
    const { order } = await client.waitOrder({ orderId, merchantId: 'merchant-1', timeout: { seconds: 60n } });
    states.set(orderId, order?.state);
  }
  await client.close();
  return states;
}
