// Ends with 0 if the services of this machine's PAYSTREAM_HTTP_PORT are well: the health check of a container, which has no curl.
// `node health.ts` asks whether the process answers, `node health.ts ready` whether it does its work.
const path = process.argv[2] === 'ready' ? '/readyz' : '/healthz';
const url = `http://127.0.0.1:${process.env['PAYSTREAM_HTTP_PORT'] || 3_000}${path}`;
try {
  const response = await fetch(url, { signal: AbortSignal.timeout(4_000) });
  process.stdout.write(`${await response.text()}\n`);
  process.exitCode = response.ok ? 0 : 1;
} catch (error) {
  process.stderr.write(`${url}: ${error}\n`);
  process.exitCode = 1;
}
