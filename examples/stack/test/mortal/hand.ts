import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ServiceProcess } from '../../src/launch/processes.ts';

/** The program that {@link openHand} reaches. */
export const mortalProgram = join(import.meta.dirname, 'mortal.fixture.ts');

/** What tells mortal processes where to die. */
export interface Hand extends AsyncDisposable {
  /** What they need in their environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** The process that runs now dies when it gets to that step. Gives false if it cannot be reached. */
  dieAt(victim: ServiceProcess, step: string): boolean;
  /** To be given every line that they print. */
  hear(name: string, line: string): void;
  /** At which step a process said it dies, the last time; by the name of its plan. */
  diedAt(name: string): string | undefined;
}

/** Opens what mortal processes connect to. */
export async function openHand(): Promise<Hand> {
  const sockets = new Map<string, Socket>();
  const lastWords = new Map<string, string>();
  const server = createServer((socket) => {
    let who = '';
    // A killed process resets its connection.
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(who));
    createInterface({ input: socket }).on('line', (line) => {
      who = line;
      sockets.set(who, socket);
    });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return {
    environment: { MORTAL_PORT: `${address.port}` },
    dieAt: ({ plan, pid }, step) => {
      const socket = sockets.get(`${plan.name} ${pid}`);
      lastWords.delete(plan.name);
      return socket?.write(`${step}\n`) ?? false;
    },
    hear: (name, line) => {
      if (line.startsWith('dies ')) lastWords.set(name, line.slice('dies '.length));
    },
    diedAt: (name) => lastWords.get(name),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets.values()) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
