import { inject } from 'vitest';
import { systemClock } from '../clock/system-clock.ts';

declare module 'vitest' {
  interface ProvidedContext {
    pulsarBrokers: string;
  }
}

/** A real broker without transactions that the tests of a run share. */
export interface RealBroker {
  readonly serviceUrl: string;
  readonly adminUrl: string;
  /** Ends it at once. */
  kill(): Promise<void>;
  /** Ends it in good order if it runs, and starts it again on the same ports and data. */
  restart(): Promise<void>;
}

/** The broker. The first call of a run starts it, which takes some 15 seconds: call it in `beforeAll`. `tidy` deletes at once what nobody uses. */
export async function realBroker(variant: 'mortal' | 'tidy' = 'mortal'): Promise<RealBroker> {
  const manager = inject('pulsarBrokers');
  async function ask(action: 'start' | 'kill' | 'restart'): Promise<unknown> {
    const answer = await fetch(`${manager}/${variant}/${action}`);
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  }
  const broker = (await ask('start')) as Pick<RealBroker, 'serviceUrl' | 'adminUrl'>;
  return {
    ...broker,
    kill: async () => {
      await ask('kill');
    },
    restart: async () => {
      await ask('restart');
    },
  };
}

const run = `${process.pid}-${systemClock.now().toString(36)}`;
let names = 0;

/** A topic name that no other test uses. */
export function freshName(prefix: string): string {
  names += 1;
  return `${prefix}-${run}-${names}`;
}
