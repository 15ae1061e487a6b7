import type { Health } from '../lifecycle/port.ts';
import type { HttpRoute } from './http-route.ts';

/** What {@link operationRoutes} need. */
export interface OperationRoutesOptions {
  readonly health: () => Promise<Health>;
  readonly metrics: (() => Promise<string>) | undefined;
  /** Whether the server has begun to stop. */
  readonly stops: () => boolean;
}

/** `/healthz`: the process answers. `/readyz`: it does its work, with each component's state. `/metrics`: for Prometheus. */
export function operationRoutes(options: OperationRoutesOptions): HttpRoute[] {
  const { health, metrics, stops } = options;
  const routes: HttpRoute[] = [
    { method: 'GET', path: '/healthz', handle: async () => ({ body: { status: 'alive' } }) },
    {
      method: 'GET',
      path: '/readyz',
      handle: async () => {
        const { ready, components } = await health();
        const serves = ready && !stops();
        return { status: serves ? 200 : 503, body: { ready: serves, components } };
      },
    },
  ];
  if (metrics !== undefined) {
    routes.push({
      method: 'GET',
      path: '/metrics',
      handle: async () => ({ body: await metrics(), headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' } }),
    });
  }
  return routes;
}
