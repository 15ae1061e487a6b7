import { hash as digest, timingSafeEqual } from 'node:crypto';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Principal } from './port.ts';

/** Request headers, whichever transport they came over. */
export interface RpcHeaders {
  /** A header by its lower-case name. */
  get(name: string): string | undefined;
}

/** Finds out who calls. Throws `UNAUTHENTICATED` if the headers do not prove it. Called once a call, before anything is validated. */
export type Authenticator = (headers: RpcHeaders) => Principal | Promise<Principal>;

/** A key that a caller may show. */
export interface ApiKey {
  /** What logs call it. Never the key itself. */
  readonly id: string;
  /** The SHA-256 of the key, 64 hexadecimal digits: what {@link hashApiKey} gives. */
  readonly sha256: string;
  /** The merchants that it may act for; `all` for operators. */
  readonly merchants: 'all' | readonly string[];
}

/** The SHA-256 of an API key in hexadecimal, to be stored in place of the key. Keys must be long and random: 32 bytes. */
export function hashApiKey(key: string): string {
  return digest('sha256', key, 'hex');
}

function shownKey(headers: RpcHeaders): string | undefined {
  const authorization = headers.get('authorization');
  const bearer = authorization === undefined ? null : /^Bearer +(\S+) *$/i.exec(authorization);
  return bearer?.[1] ?? headers.get('x-api-key');
}

/**
 * An authenticator over a fixed set of API keys, shown as `authorization: Bearer KEY` or `x-api-key: KEY`. Compares hashes
 * in constant time. Meant for tens of keys; for more, look the hash up in a store of your own.
 *
 * @throws `INVALID_ARGUMENT` / `API_KEY_HASH_INVALID` if a hash is not 64 hexadecimal digits.
 * @example
 * ```ts
 * const authenticate = apiKeys([{ id: 'shop-1', sha256: '9f86d081…', merchants: ['m1'] }]);
 * ```
 */
export function apiKeys(keys: readonly ApiKey[]): Authenticator {
  const known = keys.map(({ id, sha256, merchants }) => {
    if (!/^[0-9a-f]{64}$/i.test(sha256)) {
      throw new PaystreamError('INVALID_ARGUMENT', `The hash of API key "${id}" is not 64 hexadecimal digits. Use hashApiKey(key).`, {
        reason: 'API_KEY_HASH_INVALID',
        details: { id },
      });
    }
    const principal: Principal = { id, merchants: merchants === 'all' ? 'all' : new Set(merchants) };
    return { hash: Buffer.from(sha256, 'hex'), principal };
  });
  return (headers) => {
    const key = shownKey(headers);
    if (key === undefined) {
      throw new PaystreamError('UNAUTHENTICATED', 'No API key. Send the header "authorization: Bearer KEY" or "x-api-key: KEY".', {
        reason: 'API_KEY_MISSING',
      });
    }
    const hash = digest('sha256', key, 'buffer');
    let found: Principal | undefined;
    // Every key is compared, whether or not one has matched, so that time says nothing.
    for (const entry of known) if (timingSafeEqual(entry.hash, hash)) found = entry.principal;
    if (found === undefined) throw new PaystreamError('UNAUTHENTICATED', 'The API key is not known.', { reason: 'API_KEY_UNKNOWN' });
    return found;
  };
}
