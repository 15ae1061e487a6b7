export { logRpcService } from './log-rpc-service.ts';
export { createLogSink, type LogSink, type LogSinkFileOptions, type LogSinkOptions } from './log-sink.ts';
export { logSinkMigrations } from './migrations.ts';
