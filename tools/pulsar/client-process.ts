// A program that tests speak to over HTTP, and that ends with its input.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** An official client that runs. */
export interface ClientProcess {
  /** Where it takes requests: POST /produce or /consume with JSON. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a program that says `listening on PORT`. Rejects with what it printed if it does not. */
export async function startClientProcess(name: string, command: string, args: readonly string[]): Promise<ClientProcess> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()).once('error', () => resolve()));
  const printed: string[] = [];
  child.stderr.on('data', (text: Buffer) => printed.splice(0, Math.max(0, printed.length - 50), text.toString()));

  const port = await new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    void ended.then(() => reject(new Error(`the ${name} client ended before it listened:\n${printed.join('')}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      printed.push(`${line}\n`);
      const [, number] = /^listening on (\d+)$/.exec(line) ?? [];
      if (number !== undefined) resolve(number);
    });
  });
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(timer);
    },
  };
}
