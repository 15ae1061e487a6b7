import { existsSync } from 'node:fs';
import { PaystreamError } from '@paystream/core';
import { banner } from './banner.ts';
import { readConfig } from './config/config.ts';
import type { PortDecorators } from './engine/decorators.ts';
import { isLaunched } from './launch/launched.ts';
import { readServiceNames } from './service-names.ts';
import { type RunningStack, startStack } from './stack.ts';

/** Tells a person what is wrong; a program sees the exit code. */
function fail(thrown: unknown): void {
  const error = PaystreamError.from(thrown);
  const text = error.reason === 'UNEXPECTED' && thrown instanceof Error ? thrown.stack : error.toString();
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
}

/** Keeps a process whose launcher was killed from dying of what it can print nowhere any more. */
function printInVain(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}

/** Stops when it is asked to, and when the launcher is gone, which could not ask any more. */
function stopWhenAsked(stack: RunningStack, launched: boolean): void {
  let asked = false;
  const stop = (): void => {
    // Asked twice, a person wants it to end now: nothing acknowledged is lost by that.
    if (asked) process.exit(1);
    asked = true;
    process.stderr.write('Stopping: what is under way is finished first. Once more ends it at once.\n');
    // Whatever is still being tried when the time is up must not keep the process: the next start takes it up.
    void stack
      .stop()
      .catch(fail)
      .then(() => process.exit());
  };
  process.on('SIGTERM', stop);
  if (!launched) {
    process.on('SIGINT', stop);
    return;
  }
  // A terminal sends it to all of its processes: the launcher is one of them, and asks each in its turn.
  process.on('SIGINT', () => undefined);
  const orphaned = (): void => {
    if (!asked) stop();
  };
  process.on('disconnect', orphaned);
  // It may have gone while this process started.
  if (!process.connected) orphaned();
}

/** Starts services, all if none is named, with the settings of the environment and of `.env`, and stops them when it is asked to. `decorate` puts something around their ports. */
export async function run(names: readonly string[], decorate?: PortDecorators): Promise<void> {
  const launched = isLaunched();
  if (launched) printInVain();
  try {
    // What stands in the environment already goes before the file.
    if (existsSync('.env')) process.loadEnvFile('.env');
    const stack = await startStack(readConfig(process.env), readServiceNames(names), [], decorate);
    stopWhenAsked(stack, launched);
    process.stdout.write(banner(stack, performance.now()));
  } catch (error) {
    fail(error);
  }
}
