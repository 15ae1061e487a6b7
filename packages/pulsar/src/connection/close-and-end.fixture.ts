// A process that uses a client, closes it and has nothing more to do: pool.test.ts looks whether it ends.
import { createContext } from '../client/create-context.ts';
import { PulsarError } from '../errors/pulsar-error.ts';

const codeOf = (error: unknown): string => (PulsarError.is(error) ? error.code : String(error));

const { context, close } = createContext({ serviceUrl: process.argv[2] ?? '' });
const { connection } = await context.pool.connectToService();
const waiting = connection.awaitAnswer(connection.nextRequestId(), 'ACK').catch(codeOf);
await context.lookup.topic('some-topic');
await close();
const after = await context.pool.connectToService().catch(codeOf);
// Sockets that are being closed are gone a turn later.
await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
const handles = process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || name.startsWith('TCP') || name.startsWith('TLS'));
process.send?.({ waiting: await waiting, after, handles });
