import { parseArgs } from 'node:util';
import { PaystreamError } from '@paystream/core';
import { z } from 'zod';
import { sentKey } from '../config/keys.ts';
import { reachedAt } from '../reached-at.ts';

/** Where the stack listens for gRPC unless told otherwise. */
export const defaultTarget = '127.0.0.1:50051';

/** Where a stack with these settings listens for gRPC, seen from the same machine. */
function targetOf({ PAYSTREAM_HOST: host = '', PAYSTREAM_GRPC_PORT: port = '' }: Readonly<Record<string, string | undefined>>): string {
  const [defaultHost = '', defaultPort = ''] = defaultTarget.split(':');
  return reachedAt(host === '' ? defaultHost : host, /^[1-9]\d*$/.test(port) ? port : defaultPort);
}

/** What `npm run orders` takes. */
export const usage = `Places orders on the running stack and checks its books.

  npm run orders -- [options]

  --count N         how many orders (default: 100)
  --concurrency N   how many at once (default: 16)
  --merchant ID     whose products are bought: merchant-1, merchant-2 or merchant-3 (default: merchant-1)
  --payment REF     how customers pay (default: pm_card_visa); pm_card_declined is declined, see the README for others
  --target ADDRESS  where the stack listens for gRPC (default: as PAYSTREAM_HOST and PAYSTREAM_GRPC_PORT say in the
                    environment or in .env, else ${defaultTarget})
  --at LIST         where services listen that run in processes of their own: payment=HOST:PORT,wallet=HOST:PORT,
                    notify=HOST:PORT,logger=HOST:PORT (default: at the target)
  --api-key KEY     the key, where the stack asks for one; it must be good for all merchants to read the books
  --logs-removed    old log entries are removed, so there may be fewer than payments (default: whether
                    PAYSTREAM_LOG_RETENTION_DAYS is set in the environment or in .env)
  --timeout S       how long to wait for orders and books to settle, and for a stack that does not answer (default: 150)
  --verify          places none; checks the books only
  --json            prints the result as JSON
  --help            prints this

Ends with 0 if every order was accepted and the books are right, with 1 if not, with 2 if it could not be found out.
`;

function whole(least: number, most: number) {
  const error = `must be a whole number from ${least} to ${most}`;
  return z.coerce.number(error).int(error).min(least, error).max(most, error);
}

const address = /^[^\s/=,]+:\d+$/;
/** The services whose books are read. */
export const bookKeepers = ['payment', 'wallet', 'notify', 'logger'] as const;

/** Where services listen. */
export type Places = Readonly<Partial<Record<(typeof bookKeepers)[number], string>>>;

const places = z.string().transform((text, context): Places => {
  const pairs = text.split(',').map((pair) => pair.split('='));
  for (const [name = '', place = ''] of pairs) {
    if (!bookKeepers.some((known) => known === name) || !address.test(place)) {
      context.addIssue(`must be pairs such as payment=HOST:PORT, of ${bookKeepers.join(', ')}`);
      return z.NEVER;
    }
  }
  return Object.fromEntries(pairs) as Places;
});

const options = z.object({
  count: whole(1, 10_000_000).default(100),
  concurrency: whole(1, 4_096).default(16),
  merchant: z.string().min(1, 'must be the id of a merchant').default('merchant-1'),
  payment: z.string().min(1, 'must be the reference of a payment method').default('pm_card_visa'),
  target: z.string().regex(address, `must be HOST:PORT, such as ${defaultTarget}`),
  at: places.default({}),
  'api-key': sentKey.optional(),
  'logs-removed': z.boolean(),
  timeout: whole(1, 86_400).default(150),
  verify: z.boolean().default(false),
  json: z.boolean().default(false),
  help: z.boolean().default(false),
});

/** Options of a run, read and checked. */
export type LoadOptions = z.output<typeof options>;

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const kinds = {
  count: text,
  concurrency: text,
  merchant: text,
  payment: text,
  target: text,
  at: text,
  'api-key': text,
  'logs-removed': flag,
  timeout: text,
  verify: flag,
  json: flag,
  help: flag,
} as const satisfies Record<keyof LoadOptions, typeof text | typeof flag>;

/** Options that say which orders are placed, and how. */
const ofPlacing = ['count', 'concurrency', 'merchant', 'payment'] as const;

function invalid(faults: readonly string[], cause?: unknown): PaystreamError {
  const lines = [...faults, '"npm run orders -- --help" lists the options.'];
  return new PaystreamError('INVALID_ARGUMENT', lines.join('\n'), { reason: 'INVALID_OPTIONS', cause });
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: kinds }).values;
  } catch (cause) {
    throw invalid([PaystreamError.from(cause).message], cause);
  }
}

/** Reads the command line; what it leaves out follows the stack's settings. Throws `INVALID_ARGUMENT` that names each fault. */
export function readLoadOptions(args: readonly string[], environment: Readonly<Record<string, string | undefined>> = {}): LoadOptions {
  const own = parse(args);
  const unused = own.verify === true ? ofPlacing.filter((name) => own[name] !== undefined) : [];
  if (unused.length > 0) throw invalid(unused.map((name) => `--${name} ${own[name]}: --verify places no orders; leave one of them out`));
  const given = {
    target: targetOf(environment),
    'logs-removed': (environment['PAYSTREAM_LOG_RETENTION_DAYS'] ?? '') !== '',
    ...own,
  };
  const result = options.safeParse(given);
  if (result.success) return result.data;
  const issues = new Map(result.error.issues.map(({ path, message }) => [String(path[0]), message]));
  const shown = (name: string): string => (name === 'api-key' ? '(secret)' : `${given[name as keyof typeof given]}`);
  throw invalid([...issues].map(([name, message]) => `--${name} ${shown(name)}: ${message}`));
}
