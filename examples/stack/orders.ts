// `npm run orders`: places orders on the running stack with the gRPC client, then checks its books.
import { PaystreamError, systemClock } from '@paystream/core';
import { Presets, SingleBar } from 'cli-progress';
import { createBookReader, faultsIn } from './src/load/books.ts';
import { type LoadOptions, readLoadOptions, usage } from './src/load/options.ts';
import { type Placed, placeOrders } from './src/load/place.ts';
import { createReport, formatReport } from './src/load/report.ts';

async function placeWithProgress(options: LoadOptions): Promise<Placed> {
  const format = 'placing orders {bar} {value}/{total} | {duration_formatted}';
  const bar = new SingleBar({ format, stream: process.stderr, noTTYOutput: false, hideCursor: true }, Presets.shades_classic);
  if (!options.json) bar.start(options.count, 0);
  try {
    return await placeOrders(options, (done) => bar.update(done));
  } finally {
    bar.stop();
  }
}

async function run(options: LoadOptions): Promise<boolean> {
  const reader = createBookReader({ target: options.target, apiKey: options['api-key'], clock: systemClock });
  // Fails at once, with its reason, where no stack is running.
  await reader.read();
  const placed = options.verify ? undefined : await placeWithProgress(options);
  const books = await reader.settled(options.timeout * 1_000);
  const report = createReport(placed, books, faultsIn(books));
  process.stdout.write(`${options.json ? JSON.stringify(report, null, 2) : formatReport(report)}\n`);
  return report.faults.length === 0 && (placed?.refused ?? 0) === 0;
}

try {
  const options = readLoadOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(usage);
  else process.exitCode = (await run(options)) ? 0 : 1;
} catch (cause) {
  const error = PaystreamError.from(cause);
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
