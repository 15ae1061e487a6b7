import type { Clock, ClockTimer, IdGenerator, Logger } from '@paystream/core';
import { DeliveryState } from '@paystream/core/contracts';
import { type Database, type DatabaseCallOptions, defineStatements } from '@paystream/core/sql';

/** Options of {@link createOwnership}. */
export interface OwnershipOptions {
  readonly database: Database;
  /** The channels whose deliveries are taken over. */
  readonly channels: readonly string[];
  /** How long an instance that no longer says that it is alive keeps its deliveries, in milliseconds. */
  readonly leaseMs: number;
  readonly nextId: IdGenerator;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called now and then, and when deliveries of others may have become free. */
  readonly onSweep: () => void;
  /** Called when others took this instance for dead, so that all that it had is theirs. */
  readonly onLost: () => void;
}

/** Whose deliveries are whose: each instance owns its rows under a name whose lease it renews. */
export interface Ownership {
  /** The name that rows of this instance carry now. */
  readonly owner: string;
  /** Whether nobody else can have taken this instance for dead. */
  readonly valid: boolean;
  /** Gives back what this instance owns, and stops. */
  close(): Promise<void>;
}

const statements = defineStatements(({ tables, dialect }) => {
  const deliveries = tables('notify_deliveries');
  const pending = `state = ${DeliveryState.PENDING}`;
  return {
    join: `INSERT INTO ${tables('notify_owners')} (owner, lease_until) VALUES (?, ${dialect.nowMs} + ?)`,
    renew: `UPDATE ${tables('notify_owners')} SET lease_until = ${dialect.nowMs} + ? WHERE owner = ? AND (? = 1 OR lease_until >= ${dialect.nowMs})`,
    leave: `DELETE FROM ${tables('notify_owners')} WHERE owner = ?`,
    lapsed: `SELECT owner, CASE WHEN lease_until < ${dialect.nowMs} - 3600000 THEN 1 ELSE 0 END AS gone FROM ${tables('notify_owners')} WHERE lease_until < ${dialect.nowMs}`,
    others: `SELECT owner FROM ${tables('notify_owners')} WHERE lease_until >= ${dialect.nowMs}`,
    expire: `UPDATE ${tables('notify_owners')} SET lease_until = 0 WHERE owner IN ${dialect.inJson}`,
    owned: `SELECT delivery_id, owner FROM ${deliveries} WHERE ${pending} AND channel = ? AND owner IN ${dialect.inJson}`,
    stillOwned: `SELECT delivery_id FROM ${deliveries} WHERE delivery_id IN ${dialect.inJson} AND owner IN ${dialect.inJson} AND ${pending} ${dialect.forUpdateSkipLocked}`,
    free: `UPDATE ${deliveries} SET owner = '' WHERE delivery_id IN ${dialect.inJson}`,
    giveBack: `UPDATE ${deliveries} SET owner = '' WHERE ${pending} AND channel = ? AND owner = ?`,
  };
});

/** A lease must not run out behind work that waits for locks. */
const urgent: DatabaseCallOptions = { urgent: true };

/** Who is alive in this process, for each database; where the database is exclusive, nobody else is. */
const alive = new WeakMap<Database, Set<string>>();

/** Joins the living, takes over at once from those that are surely dead, and goes on looking for others that die. */
export async function createOwnership(options: OwnershipOptions): Promise<Ownership> {
  const { database, channels, leaseMs, nextId, clock, logger, onSweep, onLost } = options;
  const sql = statements(database);
  const living = alive.get(database) ?? new Set<string>();
  alive.set(database, living);
  let owner = '';
  let validUntilMs = 0;
  let timer: ClockTimer | undefined;
  let ticking: Promise<void> | undefined;
  let looking: Promise<void> | undefined;
  let closing: Promise<void> | undefined;

  const join = async (): Promise<void> => {
    const name = nextId();
    const started = clock.monotonic();
    await database.transaction(async (tx) => {
      await tx.execute(sql.join, [name, leaseMs]);
    }, urgent);
    living.delete(owner);
    living.add(name);
    owner = name;
    validUntilMs = started + leaseMs;
  };

  const renew = async (): Promise<void> => {
    const started = clock.monotonic();
    const renewed = await database.transaction(
      async (tx) => (await tx.execute(sql.renew, [leaseMs, owner, database.exclusive ? 1 : 0])).affected === 1,
      urgent,
    );
    if (renewed) {
      validUntilMs = started + leaseMs;
      return;
    }
    logger.warn({ owner }, 'this notifier did not renew its lease in time: others may have taken over its deliveries');
    await join();
    onLost();
  };

  /**
   * Rows of a dead instance may become visible late, so its name is kept for an hour and looked for again and again, and for as
   * long as a row carries it: one that somebody holds locked keeps nobody from the others.
   */
  const takeOver = async (): Promise<void> => {
    const found = await database.query<{ readonly owner: string; readonly gone: number }>(sql.lapsed);
    const lapsed = found.filter((row) => !living.has(row.owner));
    if (lapsed.length === 0) return;
    const names = JSON.stringify(lapsed.map((row) => row.owner));
    const rows: { readonly delivery_id: string; readonly owner: string }[] = [];
    for (const channel of channels) {
      for (const row of await database.query<(typeof rows)[number]>(sql.owned, [channel, names])) rows.push(row);
    }
    const named = new Set(rows.map((row) => row.owner));
    const forgotten = lapsed.filter((row) => row.gone === 1 && !named.has(row.owner));
    if (rows.length === 0 && forgotten.length === 0) return;
    const freed = await database.transaction(async (tx) => {
      for (const row of forgotten) await tx.execute(sql.leave, [row.owner]);
      const ids = JSON.stringify(rows.map((row) => row.delivery_id));
      const taken = (await tx.execute<{ readonly delivery_id: string }>(sql.stillOwned, [ids, names])).rows;
      if (taken.length > 0) await tx.execute(sql.free, [JSON.stringify(taken.map((row) => row.delivery_id))]);
      return taken.length;
    });
    if (freed > 0) logger.info({ deliveries: freed }, 'deliveries of an instance that is gone were taken over');
  };

  const expireTheDead = async (): Promise<void> => {
    const others = await database.query<{ readonly owner: string }>(sql.others);
    const dead = others.filter((row) => !living.has(row.owner)).map((row) => row.owner);
    if (dead.length === 0) return;
    await database.transaction(async (tx) => {
      await tx.execute(sql.expire, [JSON.stringify(dead)]);
    });
  };

  const look = async (): Promise<void> => {
    try {
      await takeOver();
    } catch (error) {
      logger.warn({ err: error }, 'deliveries of others could not be taken over');
    }
    // What is free already, or this instance's without its knowing, waits for none of that.
    onSweep();
    looking = undefined;
  };

  /** Looks for others beside the renewals: it may have to wait for longer than a lease. */
  const tick = async (): Promise<void> => {
    try {
      await renew();
      looking ??= look();
    } catch (error) {
      logger.warn({ err: error }, 'the lease of this notifier could not be renewed');
    }
    ticking = undefined;
    arm();
  };
  const arm = (): void => {
    if (closing !== undefined) return;
    timer = clock.setTimer(
      leaseMs / 3,
      () => {
        ticking = tick();
      },
      { unref: true },
    );
  };

  const leave = async (): Promise<void> => {
    timer?.cancel();
    await ticking;
    await looking;
    living.delete(owner);
    await database.transaction(async (tx) => {
      for (const channel of channels) await tx.execute(sql.giveBack, [channel, owner]);
      await tx.execute(sql.leave, [owner]);
    });
  };

  await join();
  if (database.exclusive) await expireTheDead();
  await takeOver();
  arm();
  return {
    get owner() {
      return owner;
    },
    get valid() {
      return database.exclusive || clock.monotonic() < validUntilMs;
    },
    close: () => {
      closing ??= leave();
      return closing;
    },
  };
}
