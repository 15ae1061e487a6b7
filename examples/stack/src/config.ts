import { type FieldViolation, PaystreamError } from '@paystream/core';
import type { SimulatedBehaviour } from '@paystream/payment/simulated';
import { z } from 'zod';

/** A whole number. Whatever is wrong with it, there is one thing to say. */
function whole(least: number, most: number, what: string) {
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  const error = `must be ${what}: a whole number ${range}`;
  return z.coerce.number(error).int(error).min(least, error).max(most, error);
}

const largest = Number.MAX_SAFE_INTEGER;
const port = whole(0, 65_535, 'a port');
const milliseconds = (least: number) => whole(least, largest, 'milliseconds');

/** One of some words. */
const word = <const W extends readonly [string, ...string[]]>(words: W) => z.enum(words, `must be one of: ${words.join(', ')}`);

/** `25` or `20-80`: a fixed number of milliseconds, or one between two. */
const latency = z
  .string()
  .regex(/^\d+(-\d+)?$/, 'must be milliseconds such as 25, or a range such as 20-80')
  .transform((text): readonly [number, number] => {
    const [low = 0, high = low] = text.split('-').map(Number);
    return [Math.min(low, high), Math.max(low, high)];
  });

const share = z.coerce.number().min(0).exactOptional();
const behaviours = {
  approve: share,
  decline: share,
  'decline-later': share,
  'time-out-after-charging': share,
  'time-out-before-charging': share,
  'error-after-charging': share,
  'error-before-charging': share,
  duplicate: share,
} as const satisfies Record<SimulatedBehaviour, typeof share>;

/** `approve=95,decline=5`: how often the simulated gateway does what. */
const mix = z
  .string()
  .regex(/^[a-z-]+=\d+(\.\d+)?(,[a-z-]+=\d+(\.\d+)?)*$/, 'must be shares such as approve=95,decline=5')
  .transform((text) => Object.fromEntries(text.split(',').map((part) => part.split('='))))
  .pipe(
    z.strictObject(behaviours, {
      error: ({ code, keys }) =>
        code === 'unrecognized_keys' ? `there is no ${keys.join(', ')}; there are ${Object.keys(behaviours).join(', ')}` : undefined,
    }),
  );

/** `key=merchant-1` or `key=*`, separated by commas: who may act for which merchant. */
const apiKeys = z
  .string()
  .regex(/^[^=,]+=[^=,]+(,[^=,]+=[^=,]+)*$/, 'must be pairs such as key=merchant-1,other-key=*')
  .transform((text) =>
    text.split(',').map((pair) => {
      const at = pair.lastIndexOf('=');
      return { key: pair.slice(0, at), merchant: pair.slice(at + 1) };
    }),
  );

/** Every setting of the stack, with its default. `.env.example` explains each. */
const settings = z.object({
  PAYSTREAM_PROFILE: z.enum(['embedded'], 'must be "embedded": MySQL is not in this version yet').default('embedded'),
  PAYSTREAM_BROKER: word(['embedded', 'pulsar']).default('embedded'),
  PAYSTREAM_PULSAR_URL: z
    .string()
    .regex(/^pulsar(\+ssl)?:\/\/[^/\s]+$/, 'must be an address such as pulsar://127.0.0.1:6650, or pulsar://host1:6650,host2:6650')
    .default('pulsar://127.0.0.1:6650'),
  PAYSTREAM_PULSAR_NAMESPACE: z
    .string()
    .regex(/^[^/:\s]+\/[^/:\s]+$/, 'must be tenant/namespace such as public/default')
    .default('public/default'),
  PAYSTREAM_DATA_DIR: z.string().min(1).default('./data'),
  PAYSTREAM_SYNCHRONOUS: word(['full', 'normal']).default('full'),
  PAYSTREAM_HOST: z.string().min(1).default('127.0.0.1'),
  PAYSTREAM_GRPC_PORT: port.default(50_051),
  PAYSTREAM_HTTP_PORT: port.default(3_000),
  PAYSTREAM_API_KEYS: apiKeys.optional(),
  PAYSTREAM_LOG_LEVEL: word(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('warn'),
  PAYSTREAM_LOG_DIR: z.string().min(1).optional(),
  PAYSTREAM_SHUTDOWN_TIMEOUT_MS: milliseconds(0).default(10_000),
  PAYSTREAM_GATEWAY_LATENCY_MS: latency.default([20, 80]),
  PAYSTREAM_GATEWAY_MIX: mix.default({ approve: 1 }),
  PAYSTREAM_GATEWAY_SEED: whole(0, largest, 'a seed').optional(),
  PAYSTREAM_PAYMENT_ATTEMPTS: whole(1, 20, 'a number of attempts').default(3),
  PAYSTREAM_PAYMENT_RETRY_DELAY_MS: milliseconds(0).default(30_000),
  PAYSTREAM_PAYMENT_EXPIRY_MS: milliseconds(1).default(120_000),
  PAYSTREAM_PAYMENT_CALL_TIMEOUT_MS: milliseconds(1).default(10_000),
  PAYSTREAM_PAYMENT_LOOKUP_DELAYS_MS: z
    .string()
    .regex(/^\d+(,\d+)*$/, 'must be milliseconds such as 1000,5000,30000')
    .transform((text) => text.split(',').map(Number))
    .optional(),
  PAYSTREAM_FEE_BASIS_POINTS: whole(0, 10_000, 'hundredths of a percent').default(290),
  PAYSTREAM_FEE_FIXED_UNITS: z
    .string()
    .regex(/^\d{1,15}$/, 'must be minor units: a whole number of at least 0')
    .transform(BigInt)
    .default(30n),
  PAYSTREAM_SMTP_URL: z
    .url({ protocol: /^smtps?$/, error: 'must be an address such as smtp://user:password@mail.example.org:587' })
    .optional(),
  PAYSTREAM_SMTP_FROM: z.email('must be an email address').default('payments@paystream.example'),
  PAYSTREAM_TOPIC_ORDERS: z.string().min(1).default('orders'),
  PAYSTREAM_TOPIC_TRANSACTIONS: z.string().min(1).default('transactions'),
  PAYSTREAM_TOPIC_ORDER_UPDATES: z.string().min(1).default('order-updates'),
  PAYSTREAM_TOPIC_WALLET_UPDATES: z.string().min(1).default('merchant-wallet-updates'),
  PAYSTREAM_TOPIC_ORDER_LOGS: z.string().min(1).default('order-logs-topic'),
  PAYSTREAM_TOPIC_TRANSACTION_LOGS: z.string().min(1).default('transactions-logs-topic'),
});

/** The stack's settings, read and checked. */
export type Config = z.output<typeof settings>;

/** Settings whose values are never shown. */
const secrets: ReadonlySet<string> = new Set(['PAYSTREAM_API_KEYS', 'PAYSTREAM_SMTP_URL']);

const thisMachine = /^(localhost|::1|127(\.\d{1,3}){3})$/;

/** What is wrong with settings that are right one by one. */
function faultsTogether(config: Config): FieldViolation[] {
  const faults: FieldViolation[] = [];
  const host = config.PAYSTREAM_HOST;
  if (config.PAYSTREAM_API_KEYS === undefined && !thisMachine.test(host)) {
    const description = `${JSON.stringify(host)}: other machines reach it, and anybody could place orders; set PAYSTREAM_API_KEYS too, or use 127.0.0.1`;
    faults.push({ field: 'PAYSTREAM_HOST', description });
  }
  const topics = new Map<unknown, string>();
  for (const [field, name] of Object.entries(config)) {
    if (!field.startsWith('PAYSTREAM_TOPIC_')) continue;
    const other = topics.get(name);
    if (other !== undefined)
      faults.push({ field, description: `${JSON.stringify(name)}: is the name of ${other} too; each topic needs its own` });
    topics.set(name, field);
  }
  return faults;
}

/** Reads the settings. Throws one `INVALID_ARGUMENT` that names every fault, unknown `PAYSTREAM_` names included. */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  // An empty value means "not set", as in `.env` files where the name stands with nothing behind it.
  const given = Object.entries(environment).filter(([name, value]) => name.startsWith('PAYSTREAM_') && value !== undefined && value !== '');
  const unknown = given
    .filter(([name]) => !(name in settings.shape))
    .map(([name]) => ({ field: name, description: 'there is no such setting' }));
  const result = settings.safeParse(Object.fromEntries(given));
  const issues = new Map((result.error?.issues ?? []).map((issue) => [String(issue.path[0]), issue]));
  const wrong = [...issues].map(([field, issue]) => {
    const value = secrets.has(field) ? '(secret)' : JSON.stringify(environment[field]);
    return { field, description: `${value}: ${issue.message}` };
  });
  const together = result.success ? faultsTogether(result.data) : [];
  const violations = [...wrong, ...unknown, ...together];
  if (!result.success || violations.length > 0) {
    const lines = violations.map((violation) => `  ${violation.field} ${violation.description}`);
    throw new PaystreamError('INVALID_ARGUMENT', `the settings are wrong; .env.example explains each:\n${lines.join('\n')}`, {
      reason: 'INVALID_SETTINGS',
      violations,
    });
  }
  return result.data;
}
