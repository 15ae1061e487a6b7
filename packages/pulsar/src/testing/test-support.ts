import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    pulsarBrokers: string;
  }
}

/**
 * - `default`: transactions, batch-index acks, delayed delivery, topic policies; messages up to 5 MiB; never killed nor restarted.
 * - `mortal`: the same without transactions; may be killed and restarted.
 * - `small`: takes messages up to 1 MiB, shows broker entry metadata, and listens by two names, `internal` (127.0.0.1) and `external` (localhost).
 * - `secure`: TLS beside plain, client certificates, tokens and passwords, authorization, a look at expiry every second.
 * - `blue`, `green`: clusters by these names, with a look every second whether their topics are to move to another one.
 */
export type BrokerVariant = 'default' | 'mortal' | 'small' | 'secure' | 'blue' | 'green';

/** A real broker that the tests of a run share. */
export interface RealBroker {
  readonly serviceUrl: string;
  /** Only of `secure`. */
  readonly serviceUrlTls: string | undefined;
  readonly adminUrl: string;
  readonly webServiceUrl: string;
  /** Where the broker writes its log; of one that ran already it is not known. */
  readonly logFile: string | undefined;
  /** Only of `secure`. */
  readonly secrets:
    | {
        /** The key that signs tokens (HS256), base64. */
        readonly tokenKey: string;
        /** A token of `admin`, who may do everything, without end. */
        readonly adminToken: string;
        /** The password of `admin`. */
        readonly password: string;
        /** Paths of PEM files. */
        readonly ca: string;
        readonly clientCertificate: string;
        readonly clientKey: string;
      }
    | undefined;
  /** Ends it at once; `restart` brings it back with its data. */
  kill(): Promise<void>;
  /** Ends it in good order if it runs, and starts it again on the same ports and data. */
  restart(): Promise<void>;
}

/** The broker of a variant. The first call of a run starts it, which takes some 15 seconds: call it in `beforeAll`. */
export async function realBroker(variant: BrokerVariant = 'default'): Promise<RealBroker> {
  const manager = inject('pulsarBrokers');

  async function ask(action: 'start' | 'kill' | 'restart'): Promise<unknown> {
    const answer = await fetch(`${manager}/${variant}/${action}`);
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  }

  const broker = (await ask('start')) as Omit<RealBroker, 'kill' | 'restart'>;
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

let topics = 0;

/** A topic name that no other test uses. */
export function freshTopic(label = 'test'): string {
  topics += 1;
  return `persistent://public/default/${label}-${process.pid}-${Date.now().toString(36)}-${topics}`;
}
