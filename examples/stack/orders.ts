// `npm run orders`: places orders on the running stack with the gRPC client, then checks its books.
import { existsSync } from 'node:fs';
import { systemClock } from '@paystream/core';
import { Presets, SingleBar } from 'cli-progress';
import { connectionAdvice } from './src/load/advice.ts';
import { type BookReader, type Books, createBookReader, faultsIn } from './src/load/books.ts';
import { type LoadOptions, readLoadOptions, usage } from './src/load/options.ts';
import { type Placed, placeOrders } from './src/load/place.ts';
import { createReport, formatReport } from './src/load/report.ts';

async function placeWithProgress(options: LoadOptions): Promise<Placed> {
  const format = 'placing orders {bar} {value}/{total} | {duration_formatted}{note}';
  const bar = new SingleBar({ format, stream: process.stderr, noTTYOutput: false }, Presets.shades_classic);
  if (!options.json) bar.start(options.count, 0, { note: '' });
  try {
    return await placeOrders(options, ({ done, away }) => bar.update(done, { note: away === undefined ? '' : ` | waiting: ${away}` }));
  } finally {
    bar.stop();
  }
}

/** The books after a run: what was placed is told also where they cannot be read any more. */
async function settledBooks(reader: BookReader, options: LoadOptions): Promise<Books | undefined> {
  try {
    return await reader.settled(options.timeout * 1_000);
  } catch (cause) {
    if (options.verify) throw cause;
    process.stderr.write(`${connectionAdvice(cause, options.target)}\n`);
    return undefined;
  }
}

async function run(options: LoadOptions): Promise<number> {
  const { target, at, 'api-key': apiKey, 'logs-removed': logsRemoved } = options;
  const reader = createBookReader({ target, at, apiKey, logsRemoved, clock: systemClock });
  // Fails at once, with its reason, where no stack is running.
  await reader.read();
  const placed = options.verify ? undefined : await placeWithProgress(options);
  const books = await settledBooks(reader, options);
  const report = createReport(placed, books, books === undefined ? [] : faultsIn(books, logsRemoved));
  process.stdout.write(`${options.json ? JSON.stringify(report, null, 2) : formatReport(report)}\n`);
  if (books === undefined) return 2;
  const { refused, unfinished, notTried } = placed ?? { refused: 0, unfinished: 0, notTried: 0 };
  return report.faults.length + refused + unfinished + notTried === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  let target = '';
  try {
    // The settings of the stack say where it listens.
    if (existsSync('.env')) process.loadEnvFile('.env');
    const options = readLoadOptions(process.argv.slice(2), process.env);
    target = options.target;
    if (!options.help) return await run(options);
    process.stdout.write(usage);
    return 0;
  } catch (cause) {
    process.stderr.write(`${connectionAdvice(cause, target)}\n`);
    return 2;
  }
}

process.exitCode = await main();
