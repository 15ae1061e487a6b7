import type { ErrorCode } from '../errors/paystream-error.ts';

// One row a code: the gRPC number, and the HTTP status that google.rpc.Code documents for it.
const table = {
  CANCELED: [1, 499],
  INVALID_ARGUMENT: [3, 400],
  DEADLINE_EXCEEDED: [4, 504],
  NOT_FOUND: [5, 404],
  ALREADY_EXISTS: [6, 409],
  PERMISSION_DENIED: [7, 403],
  RESOURCE_EXHAUSTED: [8, 429],
  FAILED_PRECONDITION: [9, 400],
  ABORTED: [10, 409],
  UNSUPPORTED: [12, 501],
  INTERNAL: [13, 500],
  UNAVAILABLE: [14, 503],
  DATA_LOSS: [15, 500],
  UNAUTHENTICATED: [16, 401],
} as const satisfies Record<ErrorCode, readonly [grpc: number, http: number]>;

const byNumber: ReadonlyMap<number, ErrorCode> = new Map<number, ErrorCode>([
  ...Object.entries(table).map(([code, [number]]) => [number, code as ErrorCode] as const),
  // UNKNOWN and OUT_OF_RANGE have no code of their own here.
  [2, 'INTERNAL'],
  [11, 'INVALID_ARGUMENT'],
]);

/** The gRPC status code of an error code. */
export function grpcCodeOf(code: ErrorCode): number {
  return table[code][0];
}

/** The error code of a gRPC status code: `INTERNAL` for one that gRPC does not define. */
export function errorCodeOfGrpc(number: number): ErrorCode {
  return byNumber.get(number) ?? 'INTERNAL';
}

/** The HTTP status of an error code, as `google.rpc.Code` documents it. */
export function httpStatusOf(code: ErrorCode): number {
  return table[code][1];
}
