import { parseArgs } from 'node:util';
import { PaystreamError } from '@paystream/core';
import type { Config } from '../config/config.ts';
import { reachedAt } from '../reached-at.ts';
import { type ServiceName, serviceNames, wholeStack } from '../service-names.ts';
import { checkPorts } from './ports.ts';

/** More on one machine are a slip of the hand. */
const mostReplicas = 16;

/** What `npm run services` takes. */
export const usage = `Runs every service in a process of its own, on this machine, with the settings of the environment and of .env.

  npm run services -- [options]

  --replicas LIST   how many of which service, from 1 to ${mostReplicas}: order=2,payment=2,logger=2 (default: one of each)
  --gateway         also runs the simulated gateway, even where PAYSTREAM_GATEWAY_URL names another one
  --help            prints this

Needs what the processes share: PAYSTREAM_PROFILE=production with PAYSTREAM_PULSAR_URL and PAYSTREAM_MYSQL_URL.
The first order service listens on PAYSTREAM_GRPC_PORT and PAYSTREAM_HTTP_PORT, the others on the ports that follow.
A process that ends is started again. Ctrl+C stops all of them; what is under way is finished first.
`;

/** One process to be. */
export interface PlannedProcess {
  /** `order-1`; the name of its instance. */
  readonly name: string;
  readonly service: ServiceName;
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Where it is reached from this machine: `127.0.0.1:50051`. */
  readonly grpc: string;
  /** `http://127.0.0.1:3000`. */
  readonly http: string;
  /** What it gets beside the settings of the launcher. */
  readonly settings: Readonly<Record<string, string>>;
}

/** What the command line asks for. */
export interface LaunchOptions {
  readonly replicas: Readonly<Partial<Record<ServiceName, number>>>;
  readonly gateway: boolean;
  readonly help: boolean;
}

function invalid(message: string): PaystreamError {
  return new PaystreamError('INVALID_ARGUMENT', `${message}\n"npm run services -- --help" lists the options.`, {
    reason: 'INVALID_OPTIONS',
  });
}

function readReplicas(list: string): Partial<Record<ServiceName, number>> {
  const replicas: Partial<Record<ServiceName, number>> = {};
  for (const part of list.split(',')) {
    const [name = '', count = ''] = part.split('=');
    const service = serviceNames.find((known) => known === name);
    if (service === undefined) throw invalid(`--replicas ${part}: there is no service ${name}; there are ${serviceNames.join(', ')}`);
    if (service === 'gateway') throw invalid(`--replicas ${part}: there is one gateway, with one book`);
    if (!/^\d+$/.test(count) || Number(count) < 1 || Number(count) > mostReplicas)
      throw invalid(`--replicas ${part}: must be a number from 1 to ${mostReplicas}`);
    replicas[service] = Number(count);
  }
  return replicas;
}

/** Reads the command line. Throws `INVALID_ARGUMENT` for what it does not know. */
export function readLaunchOptions(args: readonly string[]): LaunchOptions {
  const kinds = { replicas: { type: 'string' }, gateway: { type: 'boolean' }, help: { type: 'boolean' } } as const;
  try {
    const { replicas, gateway = false, help = false } = parseArgs({ args: [...args], options: kinds }).values;
    return { replicas: replicas === undefined ? {} : readReplicas(replicas), gateway, help };
  } catch (cause) {
    if (PaystreamError.is(cause)) throw cause;
    throw invalid(PaystreamError.from(cause).message);
  }
}

/** The processes, in the order in which they start: those first on whom others depend. Throws if they share nothing, or would share ports. */
export function planProcesses(config: Config, options: LaunchOptions): readonly PlannedProcess[] {
  if (config.PAYSTREAM_BROKER === 'embedded' || config.PAYSTREAM_DATABASE === 'embedded') {
    throw new PaystreamError(
      'FAILED_PRECONDITION',
      'services in processes of their own need a broker and a database that they share: set PAYSTREAM_PROFILE=production, PAYSTREAM_PULSAR_URL and PAYSTREAM_MYSQL_URL, or run all in one process by `npm start`',
      { reason: 'NOTHING_SHARED' },
    );
  }
  const withGateway = options.gateway || config.PAYSTREAM_GATEWAY_URL === undefined;
  const wanted = wholeStack.flatMap((service) =>
    Array.from({ length: options.replicas[service] ?? 1 }, (_, index) => ({ service, index })),
  );
  checkPorts(config, wanted.length + Number(withGateway));
  // Those who take orders have the ports that people know.
  const byPort = [...wanted].sort((a, b) => Number(b.service === 'order') - Number(a.service === 'order'));
  const placeOf = (place: number) => {
    const [grpcPort, httpPort] = [config.PAYSTREAM_GRPC_PORT + place, config.PAYSTREAM_HTTP_PORT + place];
    const host = config.PAYSTREAM_HOST;
    return { grpcPort, httpPort, grpc: reachedAt(host, grpcPort), http: `http://${reachedAt(host, httpPort)}` };
  };
  const gatewayPlace = placeOf(wanted.length);
  const shared: Record<string, string> = withGateway ? { PAYSTREAM_GATEWAY_URL: `http://${gatewayPlace.grpc}` } : {};
  const gateway: PlannedProcess = {
    name: 'gateway',
    service: 'gateway',
    ...gatewayPlace,
    // It stands for somebody else's: it shares nothing, not even who may change a schema, and runs on while everything else is down.
    settings: {
      PAYSTREAM_PROFILE: 'embedded',
      PAYSTREAM_BROKER: 'embedded',
      PAYSTREAM_DATABASE: 'embedded',
      PAYSTREAM_MIGRATIONS: 'apply',
    },
  };
  const services = wanted.map(({ service, index }, place) => {
    const listening = placeOf(byPort.indexOf(wanted[place] ?? { service, index }));
    return { name: `${service}-${index + 1}`, service, ...listening, settings: shared };
  });
  return withGateway ? [gateway, ...services] : services;
}
