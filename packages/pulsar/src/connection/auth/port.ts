/** Why credentials are asked for. */
export interface CredentialsRequest {
  /**
   * - `connect`: a connection is made.
   * - `refresh`: the broker says that those given have expired: fresh ones are needed, never kept ones.
   */
  readonly reason: 'connect' | 'refresh';
  /** What the broker sent with its challenge, of methods that take several steps. */
  readonly challenge?: Uint8Array;
  /** Aborted when the connection is given up. */
  readonly signal: AbortSignal;
}

/** How a client proves who it is. Implement it for a method that is not here. */
export interface Authentication {
  /** What the broker calls the method: `token`, `basic`, `tls`. */
  readonly method: string;
  /** The bytes to send. Asked for at every connection and every challenge. A rejection ends the connection, and the next attempt asks again. */
  credentials(request: CredentialsRequest): Uint8Array | Promise<Uint8Array>;
  /** Headers of requests to the admin API. Default: none. */
  headers?(): Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
}
