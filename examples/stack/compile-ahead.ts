// Compiles what any service may load, for the next start to find: an image does it while it is built.
import { enableCompileCache, flushCompileCache } from 'node:module';
import { join } from 'node:path';

enableCompileCache(join(import.meta.dirname, '../../node_modules/.cache/node'));
await Promise.all([
  import('./src/run.ts'),
  import('./src/otlp.ts'),
  import('./src/otlp-resource.ts'),
  import('./src/traces-sampler.ts'),
  import('@paystream/core/mysql'),
  import('@paystream/core/pulsar'),
  import('nodemailer'),
]);
flushCompileCache();
