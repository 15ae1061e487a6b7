import { fork } from 'node:child_process';
import { once } from 'node:events';

/** A program in a process of its own. */
export interface Child<T> extends AsyncDisposable {
  /** What it said when it was ready. */
  readonly said: T;
}

/** Starts a module of this repository and waits for the first message that it sends; it is to end when it is disconnected. */
export async function startChild<T>(module: string, args: readonly string[] = []): Promise<Child<T>> {
  const child = fork(module, [...args], { execArgv: ['--conditions=paystream-source'] });
  const ended = once(child, 'exit');
  const said = await Promise.race([
    once(child, 'message').then(([message]) => message as T),
    ended.then(([code, signal]) => Promise.reject(new Error(`${module} ended with ${code ?? signal} before it was ready`))),
  ]);
  return {
    said,
    [Symbol.asyncDispose]: async () => {
      child.disconnect();
      await ended;
    },
  };
}
