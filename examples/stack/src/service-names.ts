import { PaystreamError } from '@paystream/core';

/** What one process runs when nothing is named, those first whose topics others publish to. */
export const wholeStack = ['logger', 'notify', 'wallet', 'payment', 'order'] as const;

/** Every service that can be named. `gateway` is the simulated one, for payment services in other processes. */
export const serviceNames = ['gateway', ...wholeStack] as const;

/** The name of a service. */
export type ServiceName = (typeof serviceNames)[number];

function isServiceName(name: string): name is ServiceName {
  return serviceNames.some((known) => known === name);
}

/** Checks names, and puts them in the order in which services start; without any, those of the whole stack. Throws `INVALID_ARGUMENT` for one that there is not. */
export function readServiceNames(names: readonly string[]): readonly ServiceName[] {
  if (names.length === 0) return wholeStack;
  const wrong = names.filter((name) => !isServiceName(name));
  if (wrong.length === 0) return serviceNames.filter((name) => names.includes(name));
  throw new PaystreamError('INVALID_ARGUMENT', `there is no service ${wrong.join(', ')}; there are ${serviceNames.join(', ')}`, {
    reason: 'UNKNOWN_SERVICE',
  });
}
