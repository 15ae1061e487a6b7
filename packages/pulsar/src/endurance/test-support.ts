import { fork } from 'node:child_process';
import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    pulsarEndurance: { readonly messages: number; readonly soakMinutes: number };
  }
}

/** How long the runs are: what `PAYSTREAM_PULSAR_MESSAGES` and `PAYSTREAM_PULSAR_SOAK_MINUTES` say; 0 minutes: some seconds. */
export const endurance: { readonly messages: number; readonly soakMinutes: number } = inject('pulsarEndurance');

/** What a program held when so many messages had been sent and consumed. */
export interface Sample {
  readonly messages: number;
  readonly bytes: number;
}

/** How a program ended, and what it said meanwhile. */
export interface Ran<T> {
  readonly said: readonly T[];
  readonly code: number | null;
  /** What it wrote to its error output. */
  readonly errors: string;
}

/** Runs a program in a process of its own, which can collect garbage at will. */
export async function runProgram<T>(file: URL, work: object): Promise<Ran<T>> {
  const child = fork(file, [JSON.stringify(work)], {
    execArgv: ['--conditions=paystream-source', '--disable-warning=ExperimentalWarning', '--expose-gc'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const said: T[] = [];
  let errors = '';
  child.on('message', (message) => said.push(message as T));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { said, code, errors };
}

/** How much more was held at any time, in bytes, than at the end of the warm-up: the first tenth of all. */
export function growthOf(samples: readonly Sample[]): number {
  const warm = Math.ceil(samples.length / 10);
  return Math.max(...samples.slice(warm).map(({ bytes }) => bytes)) - (samples[warm - 1]?.bytes ?? 0);
}
