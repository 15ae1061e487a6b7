/**
 * Turns values into bytes and back.
 *
 * @typeParam T the value that handlers get
 * @typeParam I what producers may pass: the same, or an initialiser of it
 */
export interface Codec<T, I = T> {
  /** `application/x-protobuf`, `application/json`. */
  readonly contentType: string;
  /** Throws `INVALID_ARGUMENT` for a value that does not fit. */
  encode(value: I): Uint8Array;
  /** Throws `INVALID_ARGUMENT` / `UNDECODABLE` for bytes that do not fit: such a message is never retried. */
  decode(bytes: Uint8Array): T;
}
