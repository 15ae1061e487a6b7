import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Authentication } from '../connection/auth/port.ts';
import { type TlsOptions, tlsSettings } from '../connection/open-socket.ts';
import { PulsarError, type PulsarErrorCode } from '../errors/pulsar-error.ts';

/** Options of {@link createPulsarAdmin}. */
export interface PulsarAdminOptions {
  /** `http://localhost:8080` */
  readonly url: string;
  /** Default: none. With `clientCertificate()` the certificate of `tls` is shown. */
  readonly authentication?: Authentication;
  /** How TLS is used with `https://`. */
  readonly tls?: TlsOptions;
  /** How long one request may take, in milliseconds. Default: 30,000. */
  readonly timeoutMs?: number;
}

/** One call of the admin API. */
export interface AdminCall {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Below `/admin/v2`, each part encoded; or from the root if it begins with `//`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
}

/** What an admin API answered. */
export interface AdminAnswer {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Makes calls of an admin API. */
export interface AdminHttp {
  /** Rejects with a `PulsarError` whose message has the status and the reason. */
  send(call: AdminCall): Promise<AdminAnswer>;
  /** The answer read as JSON; `undefined` if it is empty. */
  json<T>(call: AdminCall): Promise<T>;
}

const MAX_REDIRECTS = 5;

/** Encodes parts of a path: names may hold anything. */
export function path(...parts: readonly string[]): string {
  return parts.map((part) => `/${part.split('/').map(encodeURIComponent).join('/')}`).join('');
}

function codeOf(status: number, reason: string): PulsarErrorCode {
  if (status === 401) return 'AUTHENTICATION';
  if (status === 403) return 'AUTHORIZATION';
  if (status === 404) return /subscription/i.test(reason) ? 'SUBSCRIPTION_NOT_FOUND' : 'TOPIC_NOT_FOUND';
  if (status === 405) return 'NOT_ALLOWED';
  if (status === 408 || status === 504) return 'TIMEOUT';
  if (status === 429 || status === 503) return 'UNAVAILABLE';
  if (status === 400 || status === 412) return 'INVALID_ARGUMENT';
  return 'BROKER';
}

function reasonOf(body: Buffer): string {
  const text = body.toString('utf8').trim();
  try {
    const { reason } = JSON.parse(text) as { reason?: unknown };
    if (typeof reason === 'string' && reason !== '') return reason;
  } catch {
    // Some answers are plain text or HTML; what they say is shown as it is.
  }
  return text.slice(0, 300) || 'no reason given';
}

async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The calls of one admin API. Throws `INVALID_ARGUMENT` for a URL that is none. */
export function createAdminHttp(options: PulsarAdminOptions): AdminHttp {
  const { authentication, tls = {}, timeoutMs = 30_000 } = options;
  if (!/^https?:\/\/[^/]/.test(options.url) || !URL.canParse(options.url)) {
    throw new PulsarError('INVALID_ARGUMENT', `"${options.url}" is no admin URL: write http://host:8080 or https://host:8443`);
  }
  const base = new URL(options.url);

  function urlOf({ path: at, query = {} }: AdminCall): URL {
    const url = new URL(at.startsWith('//') ? at.slice(1) : `/admin/v2${at}`, base);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value));
    return url;
  }

  function exchange(url: URL, method: string, headers: Readonly<Record<string, string>>, body: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const settings = { method, headers: { ...headers }, signal: AbortSignal.timeout(timeoutMs) };
      const secure = url.protocol === 'https:';
      const request = secure
        ? requestHttps(url, { ...settings, ...tlsSettings(tls, url.hostname.replace(/^\[|\]$/g, '')) }, resolve)
        : requestHttp(url, settings, resolve);
      request.once('error', reject).end(body);
    });
  }

  async function send(call: AdminCall): Promise<AdminAnswer> {
    const command = `${call.method} ${call.path}`;
    const body = call.body === undefined ? '' : JSON.stringify(call.body);
    const headers: Record<string, string> = {
      ...(await authentication?.headers?.()),
      accept: '*/*',
      // Without a type the API refuses even a body that is empty.
      ...(call.method === 'GET' ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
    };
    let url = urlOf(call);
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      let answer: IncomingMessage;
      let received: Buffer;
      try {
        answer = await exchange(url, call.method, headers, body);
        received = await readAll(answer);
      } catch (cause) {
        const late = cause instanceof Error && (cause.name === 'TimeoutError' || cause.name === 'AbortError');
        if (late) throw new PulsarError('TIMEOUT', `${url.origin} did not answer ${command} within ${timeoutMs} ms`, { command, cause });
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new PulsarError('NOT_CONNECTED', `${url.origin} cannot be reached for ${command}: ${why}`, { command, cause });
      }
      const { statusCode: status = 0 } = answer;
      const to = answer.headers.location;
      // Another broker owns the topic. Credentials go with it, as they do with the binary protocol.
      if ((status === 307 || status === 302) && to !== undefined) {
        url = new URL(to, url);
        continue;
      }
      if (status >= 200 && status < 300) {
        const entries = Object.entries(answer.headers).map(([name, value]) => [name, String(value)] as const);
        return { headers: Object.fromEntries(entries), body: received };
      }
      const reason = reasonOf(received);
      throw new PulsarError(codeOf(status, reason), `${command} failed with status ${status}: ${reason}`, {
        command,
        serverError: `HTTP ${status}`,
        ...(status >= 500 ? { retryable: true } : {}),
      });
    }
    throw new PulsarError('BROKER', `${command} was redirected more than ${MAX_REDIRECTS} times`, { command });
  }

  return {
    send,
    json: async <T>(call: AdminCall) => {
      const { body } = await send(call);
      return (body.length === 0 ? undefined : JSON.parse(body.toString('utf8'))) as T;
    },
  };
}
