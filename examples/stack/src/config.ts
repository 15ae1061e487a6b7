import { PaystreamError } from '@paystream/core';
import type { SimulatedBehaviour } from '@paystream/payment/simulated';
import { z } from 'zod';

const port = z.coerce.number().int().min(0).max(65_535);
const milliseconds = z.coerce.number().int().min(0);
const count = z.coerce.number().int().min(1);

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
  .pipe(z.strictObject(behaviours));

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
  PAYSTREAM_PROFILE: z.enum(['embedded'], 'must be "embedded": Apache Pulsar and MySQL are not in this version yet').default('embedded'),
  PAYSTREAM_DATA_DIR: z.string().min(1).default('./data'),
  PAYSTREAM_SYNCHRONOUS: z.enum(['full', 'normal']).default('full'),
  PAYSTREAM_HOST: z.string().min(1).default('127.0.0.1'),
  PAYSTREAM_GRPC_PORT: port.default(50_051),
  PAYSTREAM_HTTP_PORT: port.default(3_000),
  PAYSTREAM_API_KEYS: apiKeys.optional(),
  PAYSTREAM_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('warn'),
  PAYSTREAM_LOG_DIR: z.string().min(1).optional(),
  PAYSTREAM_SHUTDOWN_TIMEOUT_MS: milliseconds.default(10_000),
  PAYSTREAM_GATEWAY_LATENCY_MS: latency.default([20, 80]),
  PAYSTREAM_GATEWAY_MIX: mix.default({ approve: 1 }),
  PAYSTREAM_GATEWAY_SEED: z.coerce.number().int().optional(),
  PAYSTREAM_PAYMENT_ATTEMPTS: count.max(20).default(3),
  PAYSTREAM_PAYMENT_RETRY_DELAY_MS: milliseconds.default(30_000),
  PAYSTREAM_PAYMENT_EXPIRY_MS: milliseconds.min(1).default(120_000),
  PAYSTREAM_PAYMENT_CALL_TIMEOUT_MS: milliseconds.min(1).default(10_000),
  PAYSTREAM_PAYMENT_LOOKUP_DELAYS_MS: z
    .string()
    .regex(/^\d+(,\d+)*$/, 'must be milliseconds such as 1000,5000,30000')
    .transform((text) => text.split(',').map(Number))
    .optional(),
  PAYSTREAM_FEE_BASIS_POINTS: z.coerce.number().int().min(0).max(10_000).default(290),
  PAYSTREAM_FEE_FIXED_UNITS: z.coerce.bigint().min(0n).default(30n),
  PAYSTREAM_SMTP_URL: z
    .url({ protocol: /^smtps?$/, error: 'must be an address such as smtp://user:password@mail.example.org:587' })
    .optional(),
  PAYSTREAM_SMTP_FROM: z.email().default('payments@paystream.example'),
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

/** Reads the settings. Throws one `INVALID_ARGUMENT` that names every fault, unknown `PAYSTREAM_` names included. */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  // An empty value means "not set", as in `.env` files where the name stands with nothing behind it.
  const given = Object.entries(environment).filter(([name, value]) => name.startsWith('PAYSTREAM_') && value !== undefined && value !== '');
  const unknown = given
    .filter(([name]) => !(name in settings.shape))
    .map(([name]) => ({ field: name, description: 'there is no such setting' }));
  const result = settings.safeParse(Object.fromEntries(given));
  const wrong = (result.error?.issues ?? []).map((issue) => {
    const field = String(issue.path[0]);
    const value = secrets.has(field) ? '(secret)' : JSON.stringify(environment[field]);
    return { field, description: `${value}: ${issue.message}` };
  });
  const violations = [...wrong, ...unknown];
  if (!result.success || violations.length > 0) {
    const lines = violations.map((violation) => `  ${violation.field} ${violation.description}`);
    throw new PaystreamError('INVALID_ARGUMENT', `the settings are wrong; .env.example explains each:\n${lines.join('\n')}`, {
      reason: 'INVALID_SETTINGS',
      violations,
    });
  }
  return result.data;
}
