/** Fields of a log line. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Where the packages write what a person who runs the service should know. A pino logger fits as it is. Nothing is
 * written unless one is passed.
 */
export interface Logger {
  /** For finding faults. */
  debug(fields: LogFields, message: string): void;
  /** What happens in normal work. */
  info(fields: LogFields, message: string): void;
  /** Unusual, and dealt with. */
  warn(fields: LogFields, message: string): void;
  /** Something failed. */
  error(fields: LogFields, message: string): void;
}

const ignore = (): void => undefined;

/** Writes nothing: the default. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
