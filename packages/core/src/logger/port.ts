/** Fields of a log line. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Where the packages write what a person who runs the service should know. A pino logger fits as it is. Nothing is
 * written unless one is passed.
 */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

const ignore = (): void => undefined;

/** Writes nothing: the default. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
