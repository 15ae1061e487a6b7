import type { RpcService, Running } from '@paystream/core';
import type { Engine } from './engine/engine.ts';
import type { ServiceLog } from './logging.ts';

/** A service that runs, and what it serves. */
export interface StartedService {
  readonly running: Running;
  readonly rpc?: readonly RpcService[];
}

/** A service of the stack: what it is called, and how it is put together. */
export interface StackService {
  readonly name: string;
  /** Whether the stack is not ready while this one is degraded. Default: true. */
  readonly essential?: boolean;
  /** The topic that its own log lines go to. Default: the console only. */
  readonly logs?: 'orderLogs' | 'transactionLogs';
  start(engine: Engine, log: ServiceLog['logger']): Promise<StartedService>;
}
