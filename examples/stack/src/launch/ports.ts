import { PaystreamError } from '@paystream/core';
import type { Config } from '../config/config.ts';

const largestPort = 65_535;

function faultOf({ PAYSTREAM_GRPC_PORT: grpc, PAYSTREAM_HTTP_PORT: http }: Config, processes: number): string | undefined {
  const most = largestPort - processes + 1;
  for (const [name, first] of [
    ['PAYSTREAM_GRPC_PORT', grpc],
    ['PAYSTREAM_HTTP_PORT', http],
  ] as const) {
    if (first === 0) return `${name} 0: processes have to find each other, so this must be a port, not 0 for any that is free`;
    if (first > most) return `${name} ${first}: ${processes} processes take this port and those that follow, so it must be ${most} at most`;
  }
  if (Math.abs(grpc - http) >= processes) return undefined;
  return `PAYSTREAM_GRPC_PORT ${grpc} and PAYSTREAM_HTTP_PORT ${http}: ${processes} processes take these ports and those that follow, some of them twice; set them ${processes} apart or more`;
}

/** Throws `INVALID_ARGUMENT` unless so many processes have ports of their own from those on that the settings name. */
export function checkPorts(config: Config, processes: number): void {
  const fault = faultOf(config, processes);
  if (fault !== undefined) throw new PaystreamError('INVALID_ARGUMENT', fault, { reason: 'INVALID_SETTINGS' });
}
