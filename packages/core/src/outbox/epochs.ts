import type { Clock } from '../clock/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Random } from '../random/port.ts';
import { jsonList } from '../sql/json-list.ts';
import type { Database, DatabaseCallOptions, SqlValue } from '../sql/port.ts';
import { outboxStatements } from './statements.ts';

/** Options of {@link createEpochs}. */
export interface EpochsOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly leaseMs: number;
}

/** The epochs that one instance owns: its own, and those of others that are gone. */
export interface Epochs {
  /** The one under which it writes. */
  readonly current: number;
  /** All that it owns, as far as it knows. */
  readonly owned: ReadonlySet<number>;
  /** Whether nobody can have taken them since they were last renewed. */
  fresh(): boolean;
  /** Renews the leases. Gives the epochs that somebody else has taken; a lost current one has been replaced then. */
  renew(): Promise<readonly number[]>;
  /** Takes over epochs that have rows and no live owner; gives those that it won, now or by an earlier call that failed. */
  takeOver(): Promise<readonly number[]>;
  /** Gives epochs up. */
  release(epochs: Iterable<number>): Promise<void>;
  /** Gives everything up. */
  close(): Promise<void>;
}

/** A lease must not run out behind work that waits for locks, nor behind what is done in turn with its renewals. */
export const urgent: DatabaseCallOptions = { urgent: true };

/** Who lives in this process: on a database that is exclusive, nobody else does. */
const livingOwners = new WeakMap<Database, Set<number>>();

function ownersOf(database: Database): Set<number> {
  const owners = livingOwners.get(database) ?? new Set<number>();
  livingOwners.set(database, owners);
  return owners;
}

/** Registers an instance: its epoch is one that no other ever had. */
export async function createEpochs(options: EpochsOptions): Promise<Epochs> {
  const { database, clock, random, leaseMs } = options;
  const sql = outboxStatements(database);
  const owned = new Set<number>();
  const owners = ownersOf(database);
  let renewedAtMs = clock.now();
  let renewedMonotonicMs = clock.monotonic();

  const live = (): readonly SqlValue[] => (database.exclusive ? [jsonList(owners)] : []);

  // By time and chance rather than one above the last: a row of a forgotten epoch must never meet a new one of its number.
  const draw = (): number => clock.now() * 1_024 + Math.floor(random.next() * 1_024);

  const register = async (owner?: number): Promise<number> => {
    for (let attempt = 0; attempt < 100; attempt++) {
      const epoch = draw();
      const untilMs = (await database.now(urgent)) + leaseMs;
      const isNew = await database.transaction(async (tx) => {
        const { rows } = await tx.execute(sql.scan, [epoch, -1, 1]);
        return rows.length === 0 && (await tx.execute(sql.claim, [epoch, owner ?? epoch, untilMs])).affected === 1;
      }, urgent);
      if (isNew) {
        owned.add(epoch);
        return epoch;
      }
    }
    throw new PaystreamError('INTERNAL', 'no epoch could be registered for the outbox: 100 numbers were taken', { reason: 'NO_EPOCH' });
  };

  const owner = await register();
  let current = owner;
  owners.add(owner);
  await database.transaction((tx) => tx.execute(sql.tidy, live()));

  return {
    get current() {
      return current;
    },
    owned,
    fresh: () => database.exclusive || (clock.now() - renewedAtMs < leaseMs && clock.monotonic() - renewedMonotonicMs < leaseMs),
    renew: async () => {
      // Taken before the call: the lease counts from when the database has it, which is later.
      const atMs = clock.now();
      const monotonicMs = clock.monotonic();
      const still = await database.transaction(async (tx) => {
        await tx.execute(sql.renew, [leaseMs, owner]);
        // Never told from how many there are: one that was lost and one that was gained without an answer would hide each other.
        const { rows } = await tx.execute<{ readonly epoch: number }>(sql.owned, [owner]);
        return new Set(rows.map((row) => row.epoch));
      }, urgent);
      const lost = [...owned].filter((epoch) => !still.has(epoch));
      // First: if it fails, the next renewal must find the same ones lost, or nobody would forget their rows.
      if (lost.includes(current)) current = await register(owner);
      for (const epoch of lost) owned.delete(epoch);
      renewedAtMs = atMs;
      renewedMonotonicMs = monotonicMs;
      return lost;
    },
    takeOver: async () => {
      const won: number[] = [];
      // Renewed for as long as this instance lives, so nobody else would ever look at one that it does not know to be its own: the
      // answer to the claim's commit may have been lost.
      for (const { epoch } of await database.query<{ readonly epoch: number }>(sql.owned, [owner], urgent)) {
        if (owned.has(epoch)) continue;
        owned.add(epoch);
        won.push(epoch);
      }
      const parameters = live();
      const orphans = await database.query<{ readonly epoch: number }>(
        sql.orphans,
        [current, ...parameters, current, ...parameters],
        urgent,
      );
      for (const { epoch } of orphans) {
        const untilMs = (await database.now(urgent)) + leaseMs;
        const affected = await database.transaction(async (tx) => {
          await tx.execute(sql.unclaim, [epoch, ...live()]);
          return (await tx.execute(sql.claim, [epoch, owner, untilMs])).affected;
        }, urgent);
        if (affected === 0) continue;
        owned.add(epoch);
        won.push(epoch);
      }
      return won;
    },
    release: async (epochs) => {
      const all = [...epochs];
      // First: one that is still there is found by the next take-over, one that is gone without an answer would count as lost.
      for (const epoch of all) owned.delete(epoch);
      await database.transaction(
        (tx) =>
          tx.executeMany(
            sql.release,
            all.map((epoch) => [epoch, owner]),
          ),
        urgent,
      );
    },
    close: async () => {
      owners.delete(owner);
      const rows = [...owned].map((epoch) => [epoch, owner]);
      owned.clear();
      await database.transaction((tx) => tx.executeMany(sql.release, rows));
    },
  };
}
