import { PulsarError } from '../../errors/pulsar-error.ts';
import type { Authentication, CredentialsRequest } from './port.ts';

/** Options of {@link oauth2}. */
export interface OAuth2Options {
  /** `https://issuer.example.com`: where `/.well-known/openid-configuration` is found. */
  readonly issuerUrl: string;
  /** The id that the issuer knows this client by. */
  readonly clientId: string;
  /** Its secret. */
  readonly clientSecret: string;
  /** Default: none. */
  readonly audience?: string;
  /** Default: none. */
  readonly scope?: string;
  /** How long the issuer may take to answer, in milliseconds. Default: 10,000. */
  readonly timeoutMs?: number;
}

interface Token {
  readonly text: string;
  /** On the clock of `performance.now()`. */
  readonly staleAt: number;
}

function failed(what: string, cause?: unknown, retryable = true): PulsarError {
  return new PulsarError('AUTHENTICATION', `OAuth2: ${what}`, { retryable, cause });
}

async function readJson(url: string, init: RequestInit): Promise<Record<string, unknown>> {
  const answer = await fetch(url, init).catch((error: unknown) => {
    throw failed(`${url} cannot be reached`, error);
  });
  const text = await answer.text();
  if (!answer.ok) throw failed(`${url} answered ${answer.status}: ${text.slice(0, 200)}`, undefined, answer.status >= 500);
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (error) {
    throw failed(`${url} answered something else than JSON`, error);
  }
  throw failed(`${url} answered something else than an object`);
}

/**
 * OAuth2 client credentials: a token of the issuer, kept for nine tenths of its life and fetched anew then or when the
 * broker says that it has expired. Connections that are made at the same time share one fetch.
 */
export function oauth2(options: OAuth2Options): Authentication {
  const { issuerUrl, clientId, clientSecret, audience, scope, timeoutMs = 10_000 } = options;
  let kept: Token | undefined;
  let fetching: Promise<Token> | undefined;

  async function fetchToken(): Promise<Token> {
    const signal = AbortSignal.timeout(timeoutMs);
    const wellKnown = `${issuerUrl.replace(/\/+$/, '')}/.well-known/openid-configuration`;
    const { token_endpoint: endpoint } = await readJson(wellKnown, { signal });
    if (typeof endpoint !== 'string') throw failed(`${wellKnown} names no token_endpoint`, undefined, false);
    const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret });
    if (audience !== undefined) body.set('audience', audience);
    if (scope !== undefined) body.set('scope', scope);
    const { access_token: text, expires_in: seconds } = await readJson(endpoint, { method: 'POST', body, signal });
    if (typeof text !== 'string' || text === '') throw failed(`${endpoint} gave no access_token`, undefined, false);
    // Without a life of its own it is good until the broker refuses it.
    const lifeMs = typeof seconds === 'number' ? seconds * 1_000 * 0.9 : Number.POSITIVE_INFINITY;
    return { text, staleAt: performance.now() + lifeMs };
  }

  async function read(reason: CredentialsRequest['reason']): Promise<string> {
    if (reason === 'refresh') kept = undefined;
    if (kept !== undefined && performance.now() < kept.staleAt) return kept.text;
    fetching ??= fetchToken().finally(() => {
      fetching = undefined;
    });
    kept = await fetching;
    return kept.text;
  }

  return {
    // The broker takes it as it takes any token.
    method: 'token',
    credentials: async ({ reason }) => Buffer.from(await read(reason)),
    headers: async () => ({ authorization: `Bearer ${await read('connect')}` }),
  };
}

/** The options that a key file in the format of the Java client (JSON) holds. Throws `INVALID_ARGUMENT`. */
export function oauth2KeyFile(text: string): Pick<OAuth2Options, 'clientId' | 'clientSecret'> & { readonly issuerUrl?: string } {
  let key: Record<string, unknown>;
  try {
    key = JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw new PulsarError('INVALID_ARGUMENT', 'the OAuth2 key file is no JSON', { cause });
  }
  const { client_id: clientId, client_secret: clientSecret, issuer_url: issuerUrl } = key;
  if (typeof clientId !== 'string' || typeof clientSecret !== 'string') {
    throw new PulsarError('INVALID_ARGUMENT', 'the OAuth2 key file has no client_id or no client_secret');
  }
  return { clientId, clientSecret, ...(typeof issuerUrl === 'string' ? { issuerUrl } : {}) };
}
