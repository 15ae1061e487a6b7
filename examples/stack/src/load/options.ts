import { parseArgs } from 'node:util';
import { z } from 'zod';

/** What `npm run orders` takes. */
export const usage = `Places orders on the running stack and checks its books.

  npm run orders -- [options]

  --count N         how many orders (default: 100)
  --concurrency N   how many at once (default: 16)
  --merchant ID     whose products are bought (default: merchant-1)
  --payment REF     the payment method's reference (default: pm_card_visa)
  --target ADDRESS  where the stack listens for gRPC (default: 127.0.0.1:50051)
  --api-key KEY     the key, where the stack asks for one
  --timeout S       how long to wait for orders and books to settle (default: 150)
  --verify          places none; checks the books only
  --json            prints the result as JSON
  --help            prints this
`;

const options = z.object({
  count: z.coerce.number().int().min(1).max(10_000_000).default(100),
  concurrency: z.coerce.number().int().min(1).max(4_096).default(16),
  merchant: z.string().min(1).default('merchant-1'),
  payment: z.string().min(1).default('pm_card_visa'),
  target: z
    .string()
    .regex(/^\S+:\d+$/, 'must be HOST:PORT')
    .default('127.0.0.1:50051'),
  'api-key': z.string().min(1).optional(),
  timeout: z.coerce.number().int().min(1).default(150),
  verify: z.boolean().default(false),
  json: z.boolean().default(false),
  help: z.boolean().default(false),
});

/** Options of a run, read and checked. */
export type LoadOptions = z.output<typeof options>;

/** Reads the command line. Throws an error that names each fault. */
export function readLoadOptions(args: readonly string[]): LoadOptions {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      count: text,
      concurrency: text,
      merchant: text,
      payment: text,
      target: text,
      'api-key': text,
      timeout: text,
      verify: flag,
      json: flag,
      help: flag,
    },
  });
  const result = options.safeParse(values);
  if (result.success) return result.data;
  throw new Error(result.error.issues.map((issue) => `--${issue.path.join('.')}: ${issue.message}`).join('\n'));
}
