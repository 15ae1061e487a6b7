import { type DescMessage, fromBinary, fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { PaystreamError } from '@paystream/core';
import { type CreateOrderRequestSchema, CreateOrderResponseSchema, OrderService } from '@paystream/core/contracts';
import { errorFromRpc } from '@paystream/core/rpc';

/** What a client was answered, in one form for every way in. */
export interface Answer {
  /** `OK`, or the error's code. */
  readonly code: string;
  /** The reason of `google.rpc.ErrorInfo`; of a plain route, of its body. */
  readonly reason: string | undefined;
  /** The fields of `google.rpc.BadRequest`. */
  readonly fields: readonly string[];
  readonly message: string;
  readonly orderId: string | undefined;
}

/** A way to place an order, close to the wire. */
export interface WayIn {
  readonly name: 'gRPC' | 'Connect JSON' | 'REST';
  /** Sends the JSON form of a request, in the encoding of this way. */
  place(request: JsonValue): Promise<Answer>;
  /** Sends bytes as they are. */
  send(bytes: Uint8Array, signal?: AbortSignal): Promise<Answer>;
}

/** Ways in, and the connection that they share. */
export interface WaysIn {
  readonly all: readonly WayIn[];
  readonly grpc: WayIn;
  readonly http: readonly WayIn[];
  /** Calls any path over gRPC. */
  call(path: string, bytes: Uint8Array, timeoutMs?: number, signal?: AbortSignal): Promise<Answer>;
  close(): void;
}

const placing = OrderService.method.createOrder;
const placingPath = `/${placing.parent.typeName}/${placing.name}`;
const asItIs = (bytes: Buffer): Buffer => bytes;

/** Encodes without any check, so that what is wrong reaches the server. */
export function encode<D extends DescMessage>(schema: D, request: JsonValue): Uint8Array {
  return toBinary(schema, fromJson(schema, request));
}

function refused(thrown: unknown): Answer {
  const { code, reason, violations, message } = errorFromRpc(thrown);
  return { code, reason, fields: violations.map(({ field }) => field), message, orderId: undefined };
}

interface ErrorBody {
  readonly code?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly violations?: readonly { readonly field: string }[];
  readonly details?: readonly {
    readonly debug?: { readonly reason?: string; readonly fieldViolations?: readonly { readonly field: string }[] };
  }[];
  readonly order?: { readonly orderId: string };
}

async function readHttp(response: Response): Promise<Answer> {
  const text = await response.text();
  let body: ErrorBody;
  try {
    body = JSON.parse(text) as ErrorBody;
  } catch {
    return { code: `HTTP ${response.status}`, reason: undefined, fields: [], message: text, orderId: undefined };
  }
  if (response.ok) return { code: 'OK', reason: undefined, fields: [], message: '', orderId: body.order?.orderId };
  const code = (body.code ?? `HTTP ${response.status}`).toUpperCase();
  const debug = body.details?.map((detail) => detail.debug) ?? [];
  const violations = body.violations ?? debug.find((detail) => detail?.fieldViolations !== undefined)?.fieldViolations ?? [];
  return {
    code: code === 'UNIMPLEMENTED' ? 'UNSUPPORTED' : code,
    reason: body.reason ?? debug.find((detail) => detail?.reason !== undefined)?.reason,
    fields: violations.map(({ field }) => field),
    message: body.message ?? '',
    orderId: undefined,
  };
}

/** Opens the ways into a stack. */
export function waysInto(stack: { readonly grpc: string; readonly http: string }, schema: typeof CreateOrderRequestSchema): WaysIn {
  const client = new Client(stack.grpc, credentials.createInsecure());
  const call: WaysIn['call'] = (path, bytes, timeoutMs, signal) =>
    new Promise((resolve) => {
      const options = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
      const under = client.makeUnaryRequest(path, asItIs, asItIs, Buffer.from(bytes), new Metadata(), options, (error, answer) => {
        if (error !== null) resolve(refused(error));
        else if (path !== placingPath) resolve({ code: 'OK', reason: undefined, fields: [], message: '', orderId: undefined });
        else {
          const { order } = fromBinary(CreateOrderResponseSchema, answer ?? Buffer.alloc(0));
          resolve({ code: 'OK', reason: undefined, fields: [], message: '', orderId: order?.orderId });
        }
      });
      signal?.addEventListener('abort', () => under.cancel());
    });
  const grpc: WayIn = {
    name: 'gRPC',
    place: (request) => call(placingPath, encode(schema, request)),
    send: (bytes, signal) => call(placingPath, bytes, undefined, signal),
  };
  const overHttp = (name: WayIn['name'], path: string): WayIn => {
    const send: WayIn['send'] = async (bytes, signal) => {
      const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: Buffer.from(bytes) };
      try {
        return await readHttp(await fetch(`${stack.http}${path}`, { ...init, ...(signal === undefined ? {} : { signal }) }));
      } catch (cause) {
        const { code, reason, message } = PaystreamError.from(cause);
        return { code, reason, fields: [], message, orderId: undefined };
      }
    };
    return { name, send, place: (request) => send(Buffer.from(JSON.stringify(request))) };
  };
  const http = [overHttp('Connect JSON', placingPath), overHttp('REST', '/api/v1/checkout')];
  return { all: [grpc, ...http], grpc, http, call, close: () => client.close() };
}
