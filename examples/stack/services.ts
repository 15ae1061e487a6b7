// `npm run services`: every service in a process of its own, on this machine.
import { existsSync } from 'node:fs';
import { PaystreamError, systemClock } from '@paystream/core';
import { type Config, readConfig } from './src/config/config.ts';
import { launcherBanner } from './src/launch/banner.ts';
import { type LaunchedServices, launchServices } from './src/launch/launcher.ts';
import { readLaunchOptions, usage } from './src/launch/plan.ts';

function show({ processes }: LaunchedServices, config: Config): void {
  console.table(processes.map(({ plan, pid }) => ({ service: plan.name, gRPC: plan.grpc, HTTP: plan.http, pid })));
  const plans = processes.map(({ plan }) => plan);
  process.stdout.write(launcherBanner(plans, config));
}

function stopOn(signals: readonly NodeJS.Signals[], services: LaunchedServices): void {
  let asked = false;
  for (const signal of signals) {
    process.on(signal, () => {
      if (asked) {
        services.kill();
        process.exit(1);
      }
      asked = true;
      process.stderr.write('Stopping: what is under way is finished first. Once more ends it at once.\n');
      void services.stop().then(() => process.exit());
    });
  }
}

try {
  const options = readLaunchOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(usage);
  } else {
    if (existsSync('.env')) process.loadEnvFile('.env');
    const config = readConfig(process.env);
    let quiet = true;
    const services = await launchServices({
      ...options,
      config,
      environment: process.env,
      clock: systemClock,
      // What each prints while it starts is of use only where it fails and does not say why, and is told then.
      onLine: (name, line) => {
        if (!quiet) process.stderr.write(`${name.padEnd(10)} | ${line}\n`);
      },
    });
    quiet = false;
    show(services, config);
    stopOn(['SIGINT', 'SIGTERM'], services);
  }
} catch (thrown) {
  const error = PaystreamError.from(thrown);
  process.stderr.write(`${error.reason === 'UNEXPECTED' && thrown instanceof Error ? thrown.stack : error.toString()}\n`);
  process.exitCode = 1;
}
