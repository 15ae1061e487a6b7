import type { IncomingMessage, ServerResponse } from 'node:http';
import { type DescMessage, fromJson, type JsonValue, type MessageShape } from '@bufbuild/protobuf';
import { PaystreamError } from '../errors/paystream-error.ts';
import { contentTypeUnsupported, httpStatusOfError, requestTooLarge } from '../rpc/outcome.ts';
import { retryAfterHeader, wireMessage } from '../rpc/status.ts';
import type { RequestValidator } from '../rpc/validation.ts';
import type { HttpResponse } from './http-route.ts';

function tooLarge(maxBytes: number): PaystreamError {
  return new PaystreamError('RESOURCE_EXHAUSTED', `The request is larger than the ${maxBytes} bytes that are taken.`, {
    reason: requestTooLarge,
    retryable: false,
    details: { maxBytes: String(maxBytes) },
  });
}

/** Reads a whole body of at most so many bytes. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const chunks: Buffer[] = [];
  let size = 0;
  // Left open when it turns out too large, for the answer to get out.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

function malformed(what: string, cause: unknown): PaystreamError {
  return new PaystreamError('INVALID_ARGUMENT', `The request is no ${what}: ${PaystreamError.from(cause).message}.`, {
    reason: 'REQUEST_MALFORMED',
    cause,
  });
}

/** Throws unless a body says that it is JSON. A web page of another origin cannot say so without being asked first. */
export function checkJson({ headers }: IncomingMessage): void {
  const type = headers['content-type'] ?? '';
  if (/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(type)) return;
  throw new PaystreamError(
    'INVALID_ARGUMENT',
    `The request must be sent as content-type: application/json, not ${type || 'without one'}.`,
    {
      reason: contentTypeUnsupported,
    },
  );
}

/** Parses a body as JSON in UTF-8. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw malformed('JSON in UTF-8', cause);
  }
}

/** Reads the JSON form of a message, lets it be completed, and checks it. */
export function messageFromJson<D extends DescMessage>(
  schema: D,
  json: unknown,
  validator: RequestValidator | undefined,
  complete?: (message: MessageShape<D>) => void,
): MessageShape<D> {
  let message: MessageShape<D>;
  try {
    message = fromJson(schema, json as JsonValue);
  } catch (cause) {
    throw malformed(schema.typeName, cause);
  }
  complete?.(message);
  validator?.(schema, message);
  return message;
}

/** An error in the one form that plain routes answer with. */
export function errorResponse(error: PaystreamError): HttpResponse {
  const { code, reason, violations } = error;
  return {
    status: httpStatusOfError(error),
    body: { code, reason, message: wireMessage(error.message), violations },
    headers: retryAfterHeader(error),
  };
}

function bodyOf(body: unknown): readonly [content: string | Uint8Array, type: string] {
  if (body === undefined) return ['', 'text/plain; charset=utf-8'];
  if (typeof body === 'string') return [body, 'text/plain; charset=utf-8'];
  if (body instanceof Uint8Array) return [body, 'application/octet-stream'];
  const json = JSON.stringify(body, (_name, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));
  return [`${json}\n`, 'application/json'];
}

/** Sends an answer, unless the client has gone. */
export function send(response: ServerResponse, { status = 200, headers = {}, body }: HttpResponse): void {
  if (response.headersSent || response.destroyed) return;
  const [content, type] = bodyOf(body);
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(content), ...headers });
  response.end(content);
}
