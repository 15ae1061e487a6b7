import { clone } from '@bufbuild/protobuf';
import { type Order, OrderService, type WatchOrderRequest, WatchOrderRequestSchema } from '@paystream/core/contracts';
import { isFinalState } from '../order/states.ts';
import { mayPass, type RetryOptions, waitToRetry } from './retry.ts';
import type { ClientTransport } from './transport.ts';

/** Watches an order over as many streams as it takes: each begins after the last version that came. */
export async function* watchResumed(
  transport: () => Promise<ClientTransport>,
  retry: RetryOptions,
  first: WatchOrderRequest,
  signal: AbortSignal | undefined,
): AsyncGenerator<Order> {
  const request = clone(WatchOrderRequestSchema, first);
  for (let attempt = 1; ; attempt++) {
    try {
      const over = await transport();
      for await (const { event } of over.stream(OrderService.method.watchOrder, request, { signal, timeoutMs: undefined })) {
        attempt = 1;
        if (event.case !== 'order' || event.value.version <= request.afterVersion) continue;
        request.afterVersion = event.value.version;
        yield event.value;
        if (isFinalState(event.value.state)) return;
      }
      return;
    } catch (error) {
      if (attempt >= retry.attempts || !mayPass(error)) throw error;
    }
    await waitToRetry(retry, attempt, signal);
  }
}
