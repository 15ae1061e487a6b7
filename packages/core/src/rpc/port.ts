import type { DescMethod, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { TraceContext } from '../telemetry/port.ts';

/** Who calls, as the authenticator found out. */
export interface Principal {
  /** An id for logs and limits: the API key's id, the token's subject. */
  readonly id: string;
  /** The merchants that it may act for; `all` for operators. */
  readonly merchants: 'all' | ReadonlySet<string>;
}

/** What a handler knows of its call, over whichever transport it came. */
export interface RpcContext extends TraceContext {
  /** `/paystream.order.v1.OrderService/CreateOrder`. */
  readonly method: string;
  /** Aborted when the client has gone, its deadline has passed, or the server stops. */
  readonly signal: AbortSignal;
  /**
   * Aborted as soon as the server begins to stop, while `signal` still leaves the call its time: whoever only waits
   * answers with what there is. Absent where nothing tells.
   */
  readonly stopping?: AbortSignal | undefined;
  /** When the client stops waiting, in milliseconds since the epoch; `undefined` if it set no deadline. */
  readonly deadlineMs: number | undefined;
  /** A request header by its lower-case name. */
  header(name: string): string | undefined;
  /** Who calls. Every principal may do everything where no authenticator is set. */
  readonly principal: Principal;
  /** W3C trace context: of the call's span where calls are traced, else as the client sent it. */
  readonly traceparent: string | undefined;
}

type Handler<M extends DescMethod> = M['methodKind'] extends 'unary'
  ? (request: MessageShape<M['input']>, context: RpcContext) => Promise<MessageInitShape<M['output']>>
  : M['methodKind'] extends 'server_streaming'
    ? (request: MessageShape<M['input']>, context: RpcContext) => AsyncIterable<MessageInitShape<M['output']>>
    : never;

/** One function for each unary or server-streaming method of a service. Throws `PaystreamError`s. */
export type RpcImplementation<S extends DescService> = { readonly [K in keyof S['method']]: Handler<S['method'][K]> };

/** A service and what implements it, for a server to take. */
export interface RpcService<S extends DescService = DescService> {
  /** The service’s descriptor, as generated. */
  readonly definition: S;
  /** Its methods. */
  readonly implementation: RpcImplementation<S>;
}

/** Pairs a service with its implementation; checks that they fit. */
export function defineRpcService<S extends DescService>(definition: S, implementation: RpcImplementation<S>): RpcService {
  return { definition, implementation: implementation as RpcImplementation<DescService> };
}
