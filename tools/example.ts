import { type Finished, run } from './workspace.ts';

/** Runs the `main.ts` of an example as its README tells to: `guests/http-app`. */
export function runExample(folder: string, env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  return run('node', ['--conditions=paystream-source', `examples/${folder}/main.ts`], { env, timeoutMs: 100_000 });
}
