// The health check of a container, which has no curl: ends with 0 if the services at PAYSTREAM_HOST and PAYSTREAM_HTTP_PORT are well.
// `node health.ts` asks whether the process answers, `node health.ts ready` whether it does its work.
import { reachedAt } from './src/reached-at.ts';

const path = process.argv[2] === 'ready' ? '/readyz' : '/healthz';
const address = reachedAt(process.env['PAYSTREAM_HOST'] || '127.0.0.1', process.env['PAYSTREAM_HTTP_PORT'] || 3_000);
const url = `http://${address}${path}`;
try {
  const response = await fetch(url, { signal: AbortSignal.timeout(4_000) });
  process.stdout.write(`${await response.text()}\n`);
  process.exitCode = response.ok ? 0 : 1;
} catch (error) {
  process.stderr.write(`${url}: ${error}\n`);
  process.exitCode = 1;
}
