import { type CallOptions, createClient, type Transport } from '@connectrpc/connect';
import { noTelemetry, PaystreamError, type Telemetry } from '@paystream/core';
import { fromMoneyMessage, GatewayService, LookUpState, msFromTimestamp, timestampFromMs, toMoneyMessage } from '@paystream/core/contracts';
import { errorFromRpc } from '@paystream/core/rpc';
import type { Gateway, GatewayAbilities } from '../gateway/port.ts';
import { fromChargeResponse, fromRefundAbility, unclear } from './messages.ts';

/** Options of {@link createRemoteGateway}. */
export interface RemoteGatewayOptions {
  /** How to reach it: `createGrpcTransport({ baseUrl: 'http://127.0.0.1:50061' })` of `@connectrpc/connect-node`, say. The caller's own, with its credentials. */
  readonly transport: Transport;
  /** Gives up asking what the gateway can do. Default: asks once, for as long as the transport waits. */
  readonly signal?: AbortSignal;
  /** Calls carry the span that is current in it, as `traceparent` and `tracestate`. Default: none. */
  readonly telemetry?: Telemetry;
}

/** The last moment that a protobuf timestamp can say: the end of the year 9999. */
const latestMs = 253_402_300_799_999;

async function asked<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (thrown) {
    throw errorFromRpc(thrown);
  }
}

/** The signal of a call, and the trace that it belongs to. */
function callOptions(telemetry: Telemetry, signal?: AbortSignal): CallOptions {
  const { traceparent, tracestate } = telemetry.current() ?? {};
  const headers: Record<string, string> = {};
  if (traceparent !== undefined) headers['traceparent'] = traceparent;
  if (traceparent !== undefined && tracestate !== undefined) headers['tracestate'] = tracestate;
  return { headers, ...(signal && { signal }) };
}

/**
 * Makes the gateway that another process serves by `gatewayRpcService`. Asks it first what it can do. Whatever fails on
 * the way is thrown, and so an unknown outcome: the processor looks the charge up.
 *
 * Errors: those of calls, by `errorFromRpc`: `UNAVAILABLE` if the process cannot be reached, `UNAUTHENTICATED`,
 * `PERMISSION_DENIED`; `UNAVAILABLE` / `UNCLEAR_ANSWER` for an answer that says neither yes nor no.
 *
 * @example
 * const gateway = await createRemoteGateway({ transport: createGrpcTransport({ baseUrl: 'http://127.0.0.1:50061' }) });
 */
export async function createRemoteGateway({ transport, signal, telemetry = noTelemetry }: RemoteGatewayOptions): Promise<Gateway> {
  const client = createClient(GatewayService, transport);
  const can = await asked(() => client.getAbilities({}, callOptions(telemetry, signal)));
  const abilities: GatewayAbilities = {
    idempotent: can.idempotent,
    idempotencyWindowMs: Number(can.idempotencyWindowMs),
    visibilityDelayMs: Number(can.visibilityDelayMs),
    lookup: can.lookup,
    refunds: fromRefundAbility(can.refunds),
    listCharges: can.listCharges,
    capture: 'with-authorization',
  };

  const charge: Gateway['charge'] = ({ signal: ended, amount, ...names }) =>
    asked(async () => fromChargeResponse(await client.charge({ ...names, amount: toMoneyMessage(amount) }, callOptions(telemetry, ended))));

  const lookup: Gateway['lookup'] = (key, ended) =>
    asked(async () => {
      const { state, answer } = await client.lookUpCharge({ key }, callOptions(telemetry, ended));
      if (state === LookUpState.FOUND) return fromChargeResponse(answer);
      if (state === LookUpState.PENDING) return 'pending';
      if (state === LookUpState.NOT_FOUND) return 'not-found';
      throw unclear(`a look-up with the state ${state}`);
    });

  const refund: Gateway['refund'] = ({ signal: ended, amount, ...names }) =>
    asked(async () => {
      const { refunded, gatewayId, declineCode } = await client.refundCharge(
        { ...names, amount: toMoneyMessage(amount) },
        callOptions(telemetry, ended),
      );
      if (refunded) return { outcome: 'refunded', gatewayId };
      if (declineCode === '') throw unclear('neither given back nor declined');
      return { outcome: 'declined', code: declineCode, ...(gatewayId === '' ? {} : { gatewayId }) };
    });

  async function* listCharges({ startMs, endMs }: { readonly startMs: number; readonly endMs: number }) {
    const period = { startTime: timestampFromMs(startMs), endTime: timestampFromMs(Math.min(endMs, latestMs)) };
    try {
      for await (const { charges } of client.listCharges(period, callOptions(telemetry))) {
        yield charges.map(({ key, gatewayId, paymentId, amount, refundedUnits, createTime }) => ({
          ...{ key, gatewayId, paymentId, refundedUnits },
          amount: fromMoneyMessage(amount),
          createdAtMs: msFromTimestamp(createTime),
        }));
      }
    } catch (thrown) {
      throw PaystreamError.is(thrown) ? thrown : errorFromRpc(thrown);
    }
  }

  return {
    name: can.name,
    abilities,
    charge,
    ...(abilities.lookup ? { lookup } : {}),
    ...(abilities.refunds === 'none' ? {} : { refund }),
    ...(abilities.listCharges ? { listCharges } : {}),
  };
}
