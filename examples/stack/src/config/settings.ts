import type { SimulatedBehaviour } from '@paystream/payment/simulated';
import { z } from 'zod';
import { keyPairs, sentKey } from './keys.ts';

/** A whole number. Whatever is wrong with it, there is one thing to say. */
function whole(least: number, most: number, what: string) {
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  const error = `must be ${what}: a whole number ${range}`;
  return z.coerce.number(error).int(error).min(least, error).max(most, error);
}

const largest = Number.MAX_SAFE_INTEGER;
const port = whole(0, 65_535, 'a port');
/** The platform fires a timer of more at once. */
const longestTimerMs = 2_147_483_647;
const dayMs = 86_400_000;
/** For what is waited for by dates instead, which must be ones that everybody can show. */
const yearMs = 365 * dayMs;
const milliseconds = (least: number, most = longestTimerMs) => whole(least, most, 'milliseconds');

/** One of some words. */
const word = <const W extends readonly [string, ...string[]]>(words: W) => z.enum(words, `must be one of: ${words.join(', ')}`);

/** Whether an address has neither a user nor a password in it. */
function namesNobody(url: string): boolean {
  const parsed = URL.parse(url);
  return parsed === null || (parsed.username === '' && parsed.password === '');
}

/** Which traces are kept, by the names that OpenTelemetry has for it. */
const samplers = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

const fractionError = 'must be a share of the traces: a number from 0 to 1, such as 0.1';
const fraction = z
  .string()
  .trim()
  .min(1, fractionError)
  .pipe(z.coerce.number<string>(fractionError).min(0, fractionError).max(1, fractionError));

/** What carries messages or stores rows; the profile says which, unless it is set. */
const engine = <const W extends string>(server: W) => word(['embedded', server]).optional();

/** `25` or `20-80`: a fixed number of milliseconds, or one between two. */
const latency = z
  .string()
  .regex(/^\d+(-\d+)?$/, 'must be milliseconds such as 25, or a range such as 20-80')
  .transform((text): readonly [number, number] => {
    const [low = 0, high = low] = text.split('-').map(Number);
    return [low, high];
  })
  .refine(([low, high]) => low <= high, 'must begin with the smaller number, such as 20-80')
  .refine(([, high]) => high <= longestTimerMs, `must be milliseconds, at most ${longestTimerMs}`);

/** `1000,5000`: points in time, each later than the one before. */
const growing = z
  .string()
  .transform((text) => text.split(',').map((part) => (/^\d+$/.test(part) ? Number(part) : 0)))
  .refine(
    (delays) => delays.every((delay, index) => delay > (delays[index - 1] ?? 0) && delay <= yearMs),
    `must be milliseconds from 1 to ${yearMs}, each more than the one before, such as 1000,5000,30000`,
  );

/** Any name but one with blanks, which no broker takes. */
const topic = z.string().regex(/^\S+$/, 'must be a name without blanks');

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

/** Every setting of the stack, with its default. `.env.example` explains each. */
export const settings = z.object({
  PAYSTREAM_PROFILE: word(['embedded', 'production']).default('embedded'),
  PAYSTREAM_BROKER: engine('pulsar'),
  PAYSTREAM_DATABASE: engine('mysql'),
  PAYSTREAM_INSTANCE: z
    .string()
    .regex(/^[A-Za-z0-9][\w.-]{0,62}$/, 'must be a name of letters, digits, dots, dashes and underscores, such as order-1')
    .optional(),
  PAYSTREAM_PULSAR_URL: z
    .string()
    .regex(/^pulsar(\+ssl)?:\/\/[^/\s@]+$/, 'must be an address such as pulsar://127.0.0.1:6650, or pulsar://host1:6650,host2:6650')
    .optional(),
  PAYSTREAM_PULSAR_TOKEN: z.string().min(1).optional(),
  PAYSTREAM_PULSAR_TOKEN_FILE: z.string().min(1).optional(),
  PAYSTREAM_PULSAR_CA: z.string().min(1).optional(),
  PAYSTREAM_PULSAR_NAMESPACE: z
    .string()
    .regex(/^[^/:\s]+\/[^/:\s]+$/, 'must be tenant/namespace such as public/default')
    .default('public/default'),
  PAYSTREAM_MYSQL_URL: z
    .url({ protocol: /^mysql$/, error: 'must be an address such as mysql://user:password@127.0.0.1:3306/paystream' })
    .optional(),
  PAYSTREAM_MYSQL_PASSWORD: z.string().min(1).optional(),
  PAYSTREAM_MYSQL_TLS: word(['off', 'on']).default('off'),
  PAYSTREAM_MYSQL_CA: z.string().min(1).optional(),
  PAYSTREAM_MYSQL_POOL_SIZE: whole(1, 1_000, 'a number of connections').default(10),
  PAYSTREAM_MYSQL_STATEMENT_TIMEOUT_MS: milliseconds(1).default(15_000),
  PAYSTREAM_TABLE_PREFIX: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,30}$/, 'must be lower-case letters, digits and underscores, such as paystream_')
    .default('paystream_'),
  PAYSTREAM_MIGRATIONS: word(['apply', 'check']).default('apply'),
  PAYSTREAM_DATA_DIR: z.string().min(1).default('./data'),
  PAYSTREAM_SYNCHRONOUS: word(['full', 'normal']).default('full'),
  PAYSTREAM_HOST: z.string().min(1).default('127.0.0.1'),
  PAYSTREAM_GRPC_PORT: port.default(50_051),
  PAYSTREAM_HTTP_PORT: port.default(3_000),
  PAYSTREAM_API_KEYS: keyPairs.optional(),
  PAYSTREAM_LOG_LEVEL: word(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('warn'),
  PAYSTREAM_LOG_DIR: z.string().min(1).optional(),
  PAYSTREAM_LOG_FILES: whole(1, 1_000_000, 'a number of files').default(10),
  PAYSTREAM_LOG_RETENTION_DAYS: whole(1, 36_500, 'days').optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url({ protocol: /^https?$/, error: 'must be an address such as http://127.0.0.1:4318' }).optional(),
  OTEL_TRACES_SAMPLER: z.string().trim().toLowerCase().pipe(word(samplers)).default('parentbased_always_on'),
  OTEL_TRACES_SAMPLER_ARG: fraction.optional(),
  PAYSTREAM_SHUTDOWN_TIMEOUT_MS: milliseconds(0, dayMs).default(10_000),
  PAYSTREAM_GATEWAY_URL: z
    .url({ protocol: /^https?$/, error: 'must be an address such as http://127.0.0.1:50061' })
    .refine(namesNobody, 'must be an address alone: PAYSTREAM_GATEWAY_KEY is what the gateway is shown')
    .optional(),
  PAYSTREAM_GATEWAY_KEY: sentKey.optional(),
  PAYSTREAM_GATEWAY_LATENCY_MS: latency.default([20, 80]),
  PAYSTREAM_GATEWAY_MIX: mix.default({ approve: 1 }),
  PAYSTREAM_GATEWAY_SEED: whole(0, largest, 'a seed').optional(),
  PAYSTREAM_PAYMENT_ATTEMPTS: whole(1, 20, 'a number of attempts').default(3),
  PAYSTREAM_PAYMENT_RETRY_DELAY_MS: milliseconds(0, yearMs).default(30_000),
  PAYSTREAM_PAYMENT_EXPIRY_MS: milliseconds(1, yearMs).default(120_000),
  PAYSTREAM_PAYMENT_CALL_TIMEOUT_MS: milliseconds(1).default(10_000),
  PAYSTREAM_PAYMENT_LOOKUP_DELAYS_MS: growing.optional(),
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
  PAYSTREAM_NOTIFY_GIVE_UP_AFTER_MS: milliseconds(1, yearMs).default(604_800_000),
  PAYSTREAM_TOPIC_ORDERS: topic.default('orders'),
  PAYSTREAM_TOPIC_TRANSACTIONS: topic.default('transactions'),
  PAYSTREAM_TOPIC_ORDER_UPDATES: topic.default('order-updates'),
  PAYSTREAM_TOPIC_WALLET_UPDATES: topic.default('merchant-wallet-updates'),
  PAYSTREAM_TOPIC_ORDER_LOGS: topic.default('order-logs-topic'),
  PAYSTREAM_TOPIC_TRANSACTION_LOGS: topic.default('transactions-logs-topic'),
});

/** Settings whose values are never shown. Each may come from a file instead: `PAYSTREAM_API_KEYS_FILE` names it. */
export const secrets: ReadonlySet<string> = new Set([
  'PAYSTREAM_API_KEYS',
  'PAYSTREAM_GATEWAY_KEY',
  'PAYSTREAM_MYSQL_PASSWORD',
  'PAYSTREAM_MYSQL_URL',
  'PAYSTREAM_PULSAR_TOKEN',
  'PAYSTREAM_SMTP_URL',
]);

/** Those whose file is read once. A Pulsar token runs out: its file is read again for each connection. */
export const fixedSecrets: ReadonlySet<string> = new Set([...secrets].filter((name) => name !== 'PAYSTREAM_PULSAR_TOKEN'));
