// `npm start`: the whole system in one process. `npm start -- order payment`: those services only.
import { enableCompileCache, flushCompileCache } from 'node:module';
import { join } from 'node:path';

// Half of a start goes into reading TypeScript and compiling it: what one start has compiled, the next one finds.
enableCompileCache(join(import.meta.dirname, '../../node_modules/.cache/node'));
const { run } = await import('./src/run.ts');
const { startUsage } = await import('./src/service-names.ts');
const names = process.argv.slice(2);
if (names.includes('--help')) process.stdout.write(startUsage);
else await run(names);
flushCompileCache();
