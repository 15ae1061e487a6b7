import { type Clock, type ClockTimer, createIdGenerator, type Logger, PaystreamError, type Random } from '@paystream/core';
import { type Database, type DatabaseCallOptions, defineStatements } from '@paystream/core/sql';

const statements = defineStatements(({ tables, dialect }) => ({
  renew: dialect.upsert(
    tables('payment_processors'),
    ['processor', 'lease_until'],
    ['processor'],
    (excluded) => `lease_until = ${excluded('lease_until')}`,
  ),
  gone: `SELECT processor FROM ${tables('payment_processors')} WHERE lease_until < ? ORDER BY processor`,
  remove: `DELETE FROM ${tables('payment_processors')} WHERE processor = ? AND lease_until < ?`,
}));

/** A processor's sign of life, for others that share its database. */
export interface ProcessorLease {
  /** The name under which this processor makes calls; empty where nobody else can share the database. */
  readonly owner: string;
  /** Whether nobody can have taken over the calls of this processor since it last gave a sign of life. */
  fresh(): boolean;
  /** Gives the first sign of life; then looks for others that are gone, at once and each second. Rejects with `UNAVAILABLE` if the database cannot be reached. */
  start(): Promise<void>;
  /** Stops. Others take over what is still under way, at once. Safe to call again. */
  close(): Promise<void>;
}

/** Options of {@link createProcessorLease}. */
export interface ProcessorLeaseOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Takes over the calls of a processor that is gone. It is asked again while it rejects. */
  readonly takeOver: (gone: string) => Promise<number>;
}

/** After how long without a sign of life others take over a processor's calls, in milliseconds of the database's clock. */
const leaseMs = 4_000;
/** How long before that it begins no call any more, in milliseconds: a call that leaves must not meet one that took over. */
const marginMs = 500;
const renewMs = 1_000;

/** A sign of life must not wait behind work that waits for locks. */
const urgent: DatabaseCallOptions = { urgent: true };

/** For a database that nobody else can have. */
const alone: ProcessorLease = { owner: '', fresh: () => true, start: () => Promise.resolve(), close: () => Promise.resolve() };

/** Makes the lease of one processor. It is taken by `start`. */
export function createProcessorLease(options: ProcessorLeaseOptions): ProcessorLease {
  const { database, clock, random, logger, takeOver } = options;
  if (database.exclusive) return alone;
  const sql = statements(database);
  const owner = createIdGenerator(clock, random)();
  let freshUntilMs = Number.NEGATIVE_INFINITY;
  let freshUntilMonotonicMs = Number.NEGATIVE_INFINITY;
  let closed = false;
  let timer: ClockTimer | undefined;
  let running: Promise<void> = Promise.resolve();
  let looking: Promise<void> | undefined;

  /** Gives the database's time. */
  const renew = async (): Promise<number> => {
    // Taken before the call: the lease counts from when the database was asked for its time, which is later.
    const [untilMs, untilMonotonicMs] = [clock.now() + leaseMs - marginMs, clock.monotonic() + leaseMs - marginMs];
    const nowMs = await database.now(urgent);
    await database.transaction((tx) => tx.execute(sql.renew, [owner, nowMs + leaseMs]), urgent);
    freshUntilMs = untilMs;
    freshUntilMonotonicMs = untilMonotonicMs;
    return nowMs;
  };

  const takeOverFrom = async (gone: string, nowMs: number): Promise<void> => {
    const payments = await takeOver(gone);
    await database.transaction((tx) => tx.execute(sql.remove, [gone, nowMs]));
    if (payments > 0) logger.info({ payments, processor: gone }, 'went on with payments of a processor that is gone');
  };

  const look = async (nowMs: number): Promise<void> => {
    try {
      const others = await database.query<{ readonly processor: string }>(sql.gone, [nowMs]);
      for (const { processor } of others) {
        if (closed) return;
        if (processor !== owner) await takeOverFrom(processor, nowMs);
      }
    } catch (error) {
      logger.warn({ err: PaystreamError.from(error) }, 'others cannot be taken over from now; trying again');
    }
  };

  /** Looks for others beside the signs of life: taking over may take longer than a lease. */
  const renewAndLook = async (): Promise<void> => {
    try {
      const nowMs = await renew();
      looking ??= look(nowMs).finally(() => {
        looking = undefined;
      });
    } catch (error) {
      logger.warn({ err: PaystreamError.from(error) }, 'a sign of life cannot be given now; trying again');
    }
  };

  const tick = (): void => {
    running = renewAndLook().then(() => {
      if (!closed) timer = clock.setTimer(renewMs, tick, { unref: true });
    });
  };

  const end = async (): Promise<void> => {
    closed = true;
    timer?.cancel();
    await running;
    await looking;
    if (freshUntilMs === Number.NEGATIVE_INFINITY) return;
    try {
      await database.transaction((tx) => tx.execute(sql.renew, [owner, 0]));
    } catch (error) {
      logger.debug({ err: PaystreamError.from(error) }, 'the lease could not be given up: others wait until it is over');
    }
  };
  let closing: Promise<void> | undefined;

  return {
    owner,
    fresh: () => clock.now() < freshUntilMs && clock.monotonic() < freshUntilMonotonicMs,
    start: async () => {
      await renew();
      tick();
    },
    close: () => {
      closing ??= end();
      return closing;
    },
  };
}
