import { PaystreamError } from '@paystream/core';

/** What one process runs when nothing is named, those first whose topics others publish to. */
export const wholeStack = ['logger', 'notify', 'wallet', 'payment', 'order'] as const;

/** Every service that can be named. `gateway` is the simulated one, for payment services in other processes. */
export const serviceNames = ['gateway', ...wholeStack] as const;

/** The name of a service. */
export type ServiceName = (typeof serviceNames)[number];

/** What `npm start -- --help` says. */
export const startUsage = `Starts Paystream, with the settings of the environment and of .env; .env.example explains each.

  npm start                      every service, in this process
  npm start -- SERVICE ...       those services only: ${serviceNames.join(', ')}
  npm start -- --help            prints this

"npm run services -- --help" tells how each runs in a process of its own, "npm run orders -- --help" how to place orders.
`;

function isServiceName(name: string): name is ServiceName {
  return serviceNames.some((known) => known === name);
}

/** Checks names, and puts them in the order in which services start; without any, those of the whole stack. Throws `INVALID_ARGUMENT` for one that there is not. */
export function readServiceNames(names: readonly string[]): readonly ServiceName[] {
  if (names.length === 0) return wholeStack;
  const wrong = names.filter((name) => !isServiceName(name));
  if (wrong.length === 0) return serviceNames.filter((name) => names.includes(name));
  throw new PaystreamError(
    'INVALID_ARGUMENT',
    `there is no service ${wrong.join(', ')}; there are ${serviceNames.join(', ')}; "npm start -- --help" says more`,
    {
      reason: 'UNKNOWN_SERVICE',
    },
  );
}
