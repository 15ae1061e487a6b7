// A service as main.ts runs it, that dies at once when it gets where it was told to die. Whoever runs it says where over a
// connection to MORTAL_PORT, which it opens with its name and its process id. Without that connection it ends.
import { writeSync } from 'node:fs';
import { enableCompileCache, flushCompileCache } from 'node:module';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

enableCompileCache(join(import.meta.dirname, '../../../../node_modules/.cache/node'));
const { run } = await import('../../src/run.ts');
const { tellSteps } = await import('./steps.ts');

let fatal: string | undefined;
const hand = createConnection(Number(process.env['MORTAL_PORT']), '127.0.0.1');
hand.on('close', () => process.exit(1)).on('error', () => process.exit(1));
// A service whose start has failed ends by itself, as without this connection.
hand.unref();
hand.write(`${process.env['PAYSTREAM_INSTANCE']} ${process.pid}\n`);
createInterface({ input: hand }).on('line', (step) => {
  fatal = step;
});

const dieAt = (step: string): void => {
  if (step !== fatal) return;
  // Written before the call returns: the process has no later.
  writeSync(process.stdout.fd, `dies ${step}\n`);
  process.kill(process.pid, 'SIGKILL');
};

await run(process.argv.slice(2), tellSteps(dieAt));
flushCompileCache();
