import { type Clock, createBatcher, PaystreamError, type Random, systemClock, systemRandom } from '@paystream/core';
import { createSqliteDatabase } from '@paystream/core/embedded';
import type { ChargeAnswer, ChargeRequest, Gateway, GatewayAbilities } from '../gateway/port.ts';
import { type BehaviourWeights, planFor } from './behaviour.ts';
import { type Book, type BookCharge, type BookEntry, type Booked, type BookSummary, chargeId, createBook } from './book.ts';
import { bookMigrations } from './migrations.ts';

/** What can be changed while the gateway runs. */
export interface SimulatedBehaviourOptions {
  /** How long an answer takes, in milliseconds: always so long, or between the two. Default: 0. */
  readonly latencyMs?: number | readonly [number, number];
  /** How often each behaviour comes, for payment methods that are not one of `simulatedMethods`. Default: `{ approve: 1 }`. */
  readonly behaviours?: BehaviourWeights;
  /** Whether it answers nothing at all, look-ups included: every call fails before it does anything. Default: false. */
  readonly down?: boolean;
}

/** Options of {@link createSimulatedGateway}. */
export interface SimulatedGatewayOptions extends SimulatedBehaviourOptions {
  /** The SQLite file of its own durable book; its folder must exist. Never the system's database: it is what that is checked against. Default: memory. */
  readonly path?: string;
  /** What it can do, where that is to be less than everything. */
  readonly abilities?: Partial<GatewayAbilities>;
  /** `normal`: a power failure may undo the last charges, a crash of the process never. Default: `full`. */
  readonly synchronous?: 'full' | 'normal';
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Draws behaviours and latencies; a seeded one makes runs repeatable. Default: the system's. */
  readonly random?: Random;
}

/** A gateway that charges nobody. */
export interface SimulatedGateway extends Required<Gateway>, AsyncDisposable {
  /** Changes what is given from now on. */
  configure(options: SimulatedBehaviourOptions): void;
  /** Adds up the book. */
  summary(): Promise<BookSummary>;
  /** Waits for charges that are being booked, then closes the book. Safe to call again. */
  close(): Promise<void>;
}

const everything: GatewayAbilities = {
  idempotent: true,
  idempotencyWindowMs: 86_400_000,
  visibilityDelayMs: 0,
  lookup: true,
  refunds: 'partial',
  listCharges: true,
  capture: 'with-authorization',
};

/** How long a caller that sets no limit waits for an answer that never comes, in milliseconds. */
const hangMs = 3_600_000;
const tablePrefix = 'gateway_';

function answerOf(entry: BookEntry): ChargeAnswer {
  return entry.state === 'approved'
    ? { outcome: 'approved', gatewayId: chargeId(entry) }
    : { outcome: 'declined', code: entry.code, retry: entry.retry, gatewayId: chargeId(entry) };
}

const failed = (what: string): PaystreamError =>
  new PaystreamError('UNAVAILABLE', `the simulated gateway answers ${what}`, { reason: 'SIMULATED_FAILURE' });

/** Reads a book from outside, while the gateway runs or after: what a system is checked against. */
export async function readSimulatedBook(path: string): Promise<BookSummary> {
  const database = await createSqliteDatabase({ path, tablePrefix, exclusive: false });
  try {
    return await createBook({ database, clock: systemClock, idempotent: true, windowMs: 0 }).summary();
  } finally {
    await database.close();
  }
}

/**
 * Makes a gateway that behaves like a real one, at its worst if told so, with a durable book of its own: idempotent by key
 * (the same key gives the first result, with other parameters `IDEMPOTENCY_KEY_REUSED`), look-up with a delay, refunds, a list.
 *
 * `simulatedMethods` names payment methods that force a behaviour; all others are drawn by the weights.
 *
 * @example
 * const gateway = await createSimulatedGateway({ latencyMs: [50, 400], behaviours: { approve: 90, decline: 8, 'time-out-after-charging': 2 } });
 */
export async function createSimulatedGateway(options: SimulatedGatewayOptions = {}): Promise<SimulatedGateway> {
  const { clock = systemClock, random = systemRandom, path = ':memory:' } = options;
  const abilities: GatewayAbilities = { ...everything, ...options.abilities };
  const database = await createSqliteDatabase({
    path,
    tablePrefix,
    clock,
    ...(options.synchronous === undefined ? {} : { synchronous: options.synchronous }),
  });
  try {
    await database.migrate(bookMigrations);
  } catch (error) {
    await database.close();
    throw error;
  }
  const book: Book = createBook({
    database,
    clock,
    idempotent: abilities.idempotent,
    windowMs: abilities.idempotencyWindowMs,
  });
  const batcher = createBatcher<BookCharge, Booked | PaystreamError>({ run: book.charge, maxSize: 512 });
  let current = { latencyMs: options.latencyMs ?? 0, behaviours: options.behaviours ?? { approve: 1 }, down: options.down ?? false };

  const arrive = (): void => {
    if (current.down) throw failed('503: down');
  };
  const latency = async (signal: AbortSignal): Promise<void> => {
    const { latencyMs } = current;
    const delay = typeof latencyMs === 'number' ? latencyMs : latencyMs[0] + random.next() * (latencyMs[1] - latencyMs[0]);
    if (delay > 0) await clock.sleep(delay, signal);
  };

  const charge = async (request: ChargeRequest): Promise<ChargeAnswer> => {
    arrive();
    const { key, paymentId, paymentMethod, amount, signal } = request;
    const plan = planFor(paymentMethod, current.behaviours, random);
    const item: BookCharge = { key, paymentId, paymentMethod, currency: amount.currency, units: amount.units, plan };
    const second = plan.twice ? batcher.submit(item) : undefined;
    const booked = await batcher.submit(item);
    await second;
    if (PaystreamError.is(booked)) throw booked;
    await latency(signal);
    if (booked.reply === 'hang') {
      await clock.sleep(hangMs, signal);
      throw failed('504: gateway time-out');
    }
    if (booked.reply === 'error' || booked.entry === undefined) throw failed('500: internal error');
    return answerOf(booked.entry);
  };

  return {
    name: 'simulated',
    abilities,
    charge,
    lookup: async (key, signal) => {
      arrive();
      const entries = await book.find(key);
      await latency(signal);
      const entry = entries.find((one) => one.state === 'approved') ?? entries.at(-1);
      if (entry === undefined || clock.now() < entry.created_at + abilities.visibilityDelayMs) return 'not-found';
      return answerOf(entry);
    },
    refund: async ({ key, chargeKey, gatewayId, amount, signal }) => {
      arrive();
      const entry = (await book.find(chargeKey)).find((one) => chargeId(one) === gatewayId);
      if (entry === undefined || entry.currency !== amount.currency) return { outcome: 'declined', code: 'charge_not_found' };
      const units = abilities.refunds === 'full' ? BigInt(entry.units) : amount.units;
      const given = abilities.refunds !== 'none' && (await book.refund(key, chargeKey, entry.nth, units));
      await latency(signal);
      return given ? { outcome: 'refunded', gatewayId: `re_${key}` } : { outcome: 'declined', code: 'amount_too_large' };
    },
    listCharges: (period) => book.list(period),
    configure: (change) => {
      current = { ...current, ...change };
    },
    summary: book.summary,
    close: async () => {
      await batcher.close();
      await database.close();
    },
    [Symbol.asyncDispose]: async () => {
      await batcher.close();
      await database.close();
    },
  };
}
