import type { Clock } from '@paystream/core';
import type { Config } from '../config/config.ts';
import { type LaunchOptions, planProcesses } from './plan.ts';
import { type ProcessOptions, type ServiceProcess, startProcess } from './processes.ts';

/** All services, each in a process of its own. */
export interface LaunchedServices extends AsyncDisposable {
  readonly processes: readonly ServiceProcess[];
  /** Stops those first that take work in. */
  stop(): Promise<void>;
  /** Ends all at once: nothing acknowledged is lost by that. */
  kill(): void;
}

/** Options of {@link launchServices}. */
export interface LauncherOptions extends Pick<LaunchOptions, 'replicas' | 'gateway'>, Pick<ProcessOptions, 'program' | 'longestRestartMs'> {
  readonly config: Config;
  /** The environment that the settings were read from, for the processes to read them again. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly onLine: (name: string, line: string) => void;
}

/** Starts all services, one after the other, so that a schema is made by the first. Throws if one does not start; those that did are stopped again. */
export async function launchServices(options: LauncherOptions): Promise<LaunchedServices> {
  const { config } = options;
  const processes: ServiceProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const one of processes.toReversed()) await one.stop();
  };
  const kill = (): void => {
    for (const one of processes) one.kill();
  };
  const shutdownTimeoutMs = config.PAYSTREAM_SHUTDOWN_TIMEOUT_MS;
  try {
    for (const plan of planProcesses(config, { ...options, help: false })) {
      processes.push(await startProcess({ ...options, plan, shutdownTimeoutMs }));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { processes, stop, kill, [Symbol.asyncDispose]: stop };
}
