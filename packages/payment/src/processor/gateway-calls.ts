import type { Clock, Labels, Logger, Span, Telemetry, TraceContext } from '@paystream/core';
import type { ChargeAnswer, Gateway, LookupAnswer, RefundAnswer } from '../gateway/port.ts';
import { bounded } from '../payment/bounded.ts';
import { type CallEnd, callWithin } from './call.ts';

type Answer = ChargeAnswer | LookupAnswer | RefundAnswer;

/** What a call is for: a refund is what somebody asked for; a reversal gives back what must not have been charged. */
export type GatewayCallKind = 'charge' | 'lookup' | 'reverse' | 'refund';

/** What a call is about. */
export interface GatewayCallSubject {
  readonly orderId: string;
  /** The gateway key of the call; of a look-up, the key that it looks for. */
  readonly key: string;
  /** What the call's span is a child of. */
  readonly trace: TraceContext | undefined;
}

/** Makes calls to the gateway: each with a time limit, counted, timed, and traced if spans are kept. */
export interface GatewayCalls {
  /** As `callWithin`: never rejects, and hands an answer that comes too late to `late`. */
  make<T extends Answer>(
    kind: GatewayCallKind,
    subject: GatewayCallSubject,
    call: (signal: AbortSignal) => Promise<T>,
    late: (answer: T) => void,
  ): Promise<CallEnd<T>>;
}

export interface GatewayCallsOptions {
  readonly gateway: Pick<Gateway, 'name'>;
  /** How long a call may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
}

/** What a call came to, in one word; `unknown` where the gateway gave no clear answer. */
function outcomeOf(end: CallEnd<Answer>): string {
  if ('failure' in end) return 'unknown';
  return typeof end.answer === 'string' ? end.answer : end.answer.outcome;
}

/** An answer whose texts can be stored. What an adapter leaves out against its type stays out. */
function boundedAnswer<T extends Answer>(answer: T): T {
  if (typeof answer !== 'object' || answer === null) return answer;
  const texts: Record<string, unknown> = { ...answer };
  for (const name of ['code', 'gatewayId']) if (typeof texts[name] === 'string') texts[name] = bounded(texts[name]);
  return texts as T;
}

export function createGatewayCalls(options: GatewayCallsOptions): GatewayCalls {
  const { gateway, timeoutMs, clock, logger, telemetry } = options;
  const labelsOf = (call: GatewayCallKind): Labels => ({ gateway: gateway.name, call });
  const labels: Readonly<Record<GatewayCallKind, Labels>> = {
    charge: labelsOf('charge'),
    lookup: labelsOf('lookup'),
    reverse: labelsOf('reverse'),
    refund: labelsOf('refund'),
  };
  for (const one of Object.values(labels)) telemetry.count('paystream_gateway_calls_total', { ...one, outcome: 'unknown' }, 0);

  const startSpan = (kind: GatewayCallKind, { orderId, trace }: GatewayCallSubject): Span => {
    const attributes = { 'paystream.gateway': gateway.name, 'paystream.call': kind, 'paystream.order_id': orderId };
    return telemetry.startSpan(`${kind} ${gateway.name}`, { kind: 'client', parent: trace, attributes });
  };

  return {
    make: async (kind, subject, call, late) => {
      const begunMs = clock.monotonic();
      const span = telemetry.tracing ? startSpan(kind, subject) : undefined;
      const make = () => callWithin(clock, timeoutMs, async (signal) => boundedAnswer(await call(signal)), late);
      const end = await (span === undefined ? make() : span.run(make));
      const outcome = outcomeOf(end);
      span?.end('failure' in end ? end.failure : undefined, { 'paystream.outcome': outcome });
      telemetry.count('paystream_gateway_calls_total', { gateway: gateway.name, call: kind, outcome });
      telemetry.observe('paystream_gateway_call_seconds', labels[kind], (clock.monotonic() - begunMs) / 1000);
      if ('failure' in end) {
        const { orderId, key: gatewayKey } = subject;
        logger.warn({ orderId, gatewayKey, ...labels[kind], err: end.failure }, 'the gateway gave no clear answer');
      }
      return end;
    },
  };
}
