import type { Clock } from '../clock/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { Health as HealthService, HealthCheckResponse_ServingStatus as ServingStatus } from '../gen/grpc/health/v1/health_pb.ts';
import type { Health } from '../lifecycle/port.ts';
import { defineRpcService, type RpcService } from '../rpc/port.ts';

/** Options of {@link healthService}. */
export interface HealthServiceOptions {
  /** How the process is: `lifecycle.health`. */
  readonly health: () => Promise<Health>;
  /** The full names of the services that one may ask for; all are as well as the process is. */
  readonly services: readonly string[];
  /** How often `Watch` looks, in milliseconds. Default: 1,000. */
  readonly watchIntervalMs?: number | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
}

/**
 * The standard gRPC health service: `Check`, `List`, and `Watch`, which sends each change. The empty name asks for the
 * whole process.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 */
export function healthService(options: HealthServiceOptions): RpcService {
  const { health, watchIntervalMs = 1_000, clock = systemClock } = options;
  const known = new Set(['', ...options.services]);
  const status = async (): Promise<ServingStatus> => ((await health()).ready ? ServingStatus.SERVING : ServingStatus.NOT_SERVING);

  return defineRpcService(HealthService, {
    check: async ({ service }) => {
      if (!known.has(service)) {
        throw new PaystreamError('NOT_FOUND', `This server has no service "${service}".`, {
          reason: 'SERVICE_UNKNOWN',
          details: { service },
        });
      }
      return { status: await status() };
    },
    list: async () => {
      const now = await status();
      return { statuses: Object.fromEntries([...known].map((name) => [name, { status: now }])) };
    },
    watch: async function* ({ service }, { signal }) {
      let last: ServingStatus | undefined;
      for (;;) {
        const now = known.has(service) ? await status() : ServingStatus.SERVICE_UNKNOWN;
        if (now !== last) yield { status: now };
        last = now;
        await clock.sleep(watchIntervalMs, signal);
      }
    },
  });
}
