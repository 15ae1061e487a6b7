import type { Server } from '@grpc/grpc-js';
import type { Clock } from '../clock/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { methodsOf } from '../rpc/methods.ts';
import type { RpcService } from '../rpc/port.ts';
import type { Listener } from './grpc-listener.ts';

/** How often calls are counted while they are waited for, in milliseconds. */
const countMs = 20;

/** A service to be added to a server of the caller's. */
interface GuestService {
  readonly name: string;
  readonly paths: readonly string[];
  /** What leaves it out. */
  readonly setting?: string;
}

/** What a service is to a server that may have it already. */
export function guestService(service: RpcService): GuestService {
  return { name: service.definition.typeName, paths: methodsOf(service).map(({ path }) => path) };
}

const asItIs = (bytes: Buffer): Buffer => bytes;

/** grpc-js tells only whoever adds. */
function isTaken(server: Server, path: string): boolean {
  const free = server.register(path, () => undefined, asItIs, asItIs, 'unary');
  if (free) server.unregister(path);
  return !free;
}

/**
 * Refuses what a server of the caller's has already, before anything is added.
 *
 * @throws `FAILED_PRECONDITION` / `GRPC_SERVICE_TAKEN`.
 */
export function refuseTaken(server: Server, services: readonly GuestService[]): void {
  for (const { name, paths, setting } of services) {
    if (!paths.some((path) => isTaken(server, path))) continue;
    const advice = setting === undefined ? 'Add it once.' : `Set ${setting} to false to keep yours.`;
    throw new PaystreamError('FAILED_PRECONDITION', `Your gRPC server has a service ${name} already. ${advice}`, {
      reason: 'GRPC_SERVICE_TAKEN',
      details: { service: name, ...(setting === undefined ? {} : { setting }) },
    });
  }
}

/** On a server of the caller's, which stays as it is, only our own calls are waited for. */
export function guestListener(running: () => number, clock: Clock): Pick<Listener, 'drain' | 'cut'> {
  const cutting = new AbortController();
  return {
    drain: async () => {
      while (running() > 0 && !cutting.signal.aborted) await clock.sleep(countMs, cutting.signal).catch(() => undefined);
    },
    cut: () => cutting.abort(),
  };
}
