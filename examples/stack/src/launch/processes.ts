import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Clock } from '@paystream/core';
import { startFailure } from './failure.ts';
import { launchedBy } from './launched.ts';
import type { PlannedProcess } from './plan.ts';

const main = join(import.meta.dirname, '..', '..', 'main.ts');
const readyLine = 'Paystream is ready';
const firstRestartMs = 500;
/** Whoever ran for so long was well: the next restart is prompt again. */
const wellAfterMs = 30_000;
const killAfterMs = 5_000;

/** A service in a process of its own, which is started again when it ends. */
export interface ServiceProcess {
  readonly plan: PlannedProcess;
  /** Of the process that runs now; `undefined` between two. */
  readonly pid: number | undefined;
  /** How often it was started again. */
  readonly restarts: number;
  /** Whether the process that runs now said that it is ready. */
  readonly ready: boolean;
  /** How the last process that ended did so: `with code 0`, `by SIGKILL`; `undefined` as long as none has. */
  readonly lastEnd: string | undefined;
  /** Ends it, giving it the time that its settings allow, and by force after that. It is not started again. */
  stop(): Promise<void>;
  /** Ends it at once. It is not started again. */
  kill(): void;
}

/** Options of {@link startProcess}. */
export interface ProcessOptions {
  readonly plan: PlannedProcess;
  /** Its settings, beside those of its plan. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** How long a stop waits before it ends the process itself, in milliseconds. */
  readonly shutdownTimeoutMs: number;
  readonly clock: Clock;
  /** The program that runs the service it is given the name of. Default: that of `npm start`. */
  readonly program?: string;
  /** One that ends again and again is started again after ever longer, at most so many milliseconds. Default: 10,000. */
  readonly longestRestartMs?: number;
  /** Called with every line that it prints. */
  readonly onLine: (name: string, line: string) => void;
}

/** Starts a service and resolves once it is ready. Rejects with the error that it ended with, or what it printed, if its first start fails. */
export async function startProcess(options: ProcessOptions): Promise<ServiceProcess> {
  const { plan, clock, onLine, program = main, longestRestartMs = 10_000 } = options;
  const env = {
    ...options.environment,
    ...plan.settings,
    PAYSTREAM_INSTANCE: plan.name,
    PAYSTREAM_GRPC_PORT: `${plan.grpcPort}`,
    PAYSTREAM_HTTP_PORT: `${plan.httpPort}`,
    [launchedBy]: `${process.pid}`,
  };
  let child: ChildProcess | undefined;
  let ready = false;
  let restarts = 0;
  let lastEnd: string | undefined;
  const stopping = new AbortController();

  /** Runs one process to its end. */
  const run = async (said: (line: string) => void): Promise<string> => {
    const started = spawn(process.execPath, ['--conditions=paystream-source', program, plan.service], {
      env,
      // The channel is for nothing but its end: it closes when this process dies, and tells the service to stop.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    child = started;
    // When it cannot be started at all, `error` comes instead of `exit`.
    const ended = once(started, 'close').catch((error: unknown) => [null, String(error)]);
    for (const input of [started.stdout, started.stderr]) {
      if (input === null) continue;
      createInterface({ input }).on('line', (line) => {
        if (line.startsWith(readyLine)) ready = true;
        said(line);
        onLine(plan.name, line);
      });
    }
    const [code, signal] = (await ended) as [number | null, string | null];
    child = undefined;
    ready = false;
    lastEnd = code === null ? `by ${signal}` : `with code ${code}`;
    return lastEnd;
  };

  const keepRunning = async (first: Promise<string>): Promise<void> => {
    let delayMs = firstRestartMs;
    for (let running = first; ; ) {
      const startedMs = clock.monotonic();
      const how = await running;
      if (stopping.signal.aborted) return;
      if (clock.monotonic() - startedMs > wellAfterMs) delayMs = firstRestartMs;
      onLine(plan.name, `ended ${how}; it is started again in ${delayMs} ms`);
      await clock.sleep(delayMs, stopping.signal).catch(() => undefined);
      if (stopping.signal.aborted) return;
      delayMs = Math.min(delayMs * 2, longestRestartMs);
      restarts += 1;
      running = run(() => undefined);
    }
  };

  const printed: string[] = [];
  const becameReady = Promise.withResolvers<void>();
  const first = run((line) => {
    printed.push(line);
    if (ready) becameReady.resolve();
  });
  const failed = first.then((how) => {
    throw startFailure(plan.name, how, printed);
  });
  await Promise.race([becameReady.promise, failed]);
  failed.catch(() => undefined);
  const over = keepRunning(first);

  return {
    plan,
    get pid() {
      return child?.pid;
    },
    get restarts() {
      return restarts;
    },
    get ready() {
      return ready;
    },
    get lastEnd() {
      return lastEnd;
    },
    stop: async () => {
      stopping.abort();
      const running = child;
      running?.kill('SIGTERM');
      const patienceMs = options.shutdownTimeoutMs + killAfterMs;
      const late = clock.setTimer(patienceMs, () => {
        if (running?.kill('SIGKILL')) onLine(plan.name, `did not stop within ${patienceMs} ms and was killed`);
      });
      await over;
      late.cancel();
    },
    kill: () => {
      stopping.abort();
      child?.kill('SIGKILL');
    },
  };
}
