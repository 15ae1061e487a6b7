import type { Config } from '../config/config.ts';
import { bookKeepers } from '../load/options.ts';
import type { ServiceName } from '../service-names.ts';
import { tryItLines } from '../try-it.ts';
import type { PlannedProcess } from './plan.ts';

/** What `npm run services` prints once all processes are ready, below the list of them. */
export function launcherBanner(plans: readonly PlannedProcess[], config: Config): string {
  const firstOf = (wanted: ServiceName): readonly PlannedProcess[] => plans.filter(({ service }) => service === wanted).slice(0, 1);
  const [order] = firstOf('order');
  const at = Object.fromEntries(bookKeepers.flatMap((service) => firstOf(service).map(({ grpc }) => [service, grpc])));
  const lines = tryItLines({ grpc: order?.grpc, http: order?.http, keys: config.PAYSTREAM_API_KEYS !== undefined, at });
  return `All services run. Place a thousand orders and check the books:

  ${lines.orders}

Ctrl+C stops them.
`;
}
