import { type Clock, PaystreamError } from '@paystream/core';
import { type Database, defineStatements, type Transaction } from '@paystream/core/sql';
import type { DeclineClass, GatewayCharge, Period } from '../gateway/port.ts';
import type { Plan } from './behaviour.ts';

const chargeColumns = [
  'idempotency_key',
  'nth',
  'payment_id',
  'payment_method',
  'currency',
  'units',
  'state',
  'code',
  'retry',
  'refunded_units',
  'created_at',
] as const;

const statements = defineStatements(({ tables, dialect }) => ({
  add: dialect.insertOrIgnore(tables('charges'), chargeColumns),
  byKey: `SELECT * FROM ${tables('charges')} WHERE idempotency_key = ? ORDER BY nth`,
  page: `SELECT * FROM ${tables('charges')} WHERE idempotency_key > ? OR (idempotency_key = ? AND nth > ?)
    ORDER BY idempotency_key, nth LIMIT ?`,
  seen: dialect.insertOrIgnore(tables('seen'), ['subject']),
  refund: `SELECT * FROM ${tables('refunds')} WHERE idempotency_key = ?`,
  addRefund: dialect.insertOrIgnore(tables('refunds'), ['idempotency_key', 'charge_key', 'nth', 'units', 'created_at']),
  giveBack: `UPDATE ${tables('charges')} SET refunded_units = refunded_units + ?
    WHERE idempotency_key = ? AND nth = ? AND state = 'approved' AND refunded_units + ? <= units`,
  summary: `SELECT COUNT(*) AS entries, COALESCE(SUM(state = 'approved'), 0) AS charges,
    COALESCE(SUM(state = 'approved' AND refunded_units < units), 0) AS standing FROM ${tables('charges')}`,
  twice: `SELECT payment_id, COUNT(*) AS charges FROM ${tables('charges')} WHERE state = 'approved' AND refunded_units < units
    GROUP BY payment_id HAVING COUNT(*) > 1`,
}));

/** A row of the book: one time that money moved, or was refused. */
export interface BookEntry {
  readonly idempotency_key: string;
  /** 1, unless the same key was charged again because the gateway had forgotten it or never heeds keys. */
  readonly nth: number;
  readonly payment_id: string;
  readonly payment_method: string;
  readonly currency: string;
  readonly units: number | bigint;
  readonly state: 'approved' | 'declined';
  readonly code: string;
  readonly retry: DeclineClass;
  readonly refunded_units: number | bigint;
  readonly created_at: number;
}

/** A charge that came in, and what is to happen to it if it is new. */
export interface BookCharge {
  readonly key: string;
  readonly paymentId: string;
  readonly paymentMethod: string;
  readonly currency: string;
  readonly units: bigint;
  readonly plan: Plan;
}

/** What the book holds of a charge, and how the caller learns of it. */
export interface Booked {
  readonly entry: BookEntry | undefined;
  readonly reply: Plan['reply'];
}

/** What stands in the book. */
export interface BookSummary {
  /** Charges that succeeded, those that were given back included. */
  readonly charges: number;
  /** Charges of which at least a part was not given back. */
  readonly standing: number;
  readonly declines: number;
  /** The payments with more than one standing charge. Must be empty. */
  readonly chargedTwice: readonly string[];
}

export const chargeId = (entry: Pick<BookEntry, 'idempotency_key' | 'nth'>): string =>
  entry.nth === 1 ? `ch_${entry.idempotency_key}` : `ch_${entry.idempotency_key}#${entry.nth}`;

function entryOf(charge: BookCharge, plan: Plan, nth: number, nowMs: number): BookEntry | undefined {
  const { book } = plan;
  if (book === undefined) return undefined;
  const approved = book === 'approved';
  return {
    idempotency_key: charge.key,
    nth,
    payment_id: charge.paymentId,
    payment_method: charge.paymentMethod,
    currency: charge.currency,
    units: charge.units,
    state: approved ? 'approved' : 'declined',
    code: approved ? '' : book.code,
    retry: approved ? 'never' : book.retry,
    refunded_units: 0,
    created_at: nowMs,
  };
}

const values = (entry: BookEntry) => chargeColumns.map((column) => entry[column]);

function checkSame(charge: BookCharge, entry: BookEntry): void {
  const same =
    entry.currency === charge.currency &&
    BigInt(entry.units) === charge.units &&
    entry.payment_id === charge.paymentId &&
    entry.payment_method === charge.paymentMethod;
  if (same) return;
  throw new PaystreamError('INVALID_ARGUMENT', `key "${charge.key}" was used before with other parameters; use a new key`, {
    reason: 'IDEMPOTENCY_KEY_REUSED',
    details: { key: charge.key },
  });
}

/** The durable book of a gateway: what was charged and given back, by key. */
export interface Book {
  /** Books charges in one commit, and gives for each what the book then holds. */
  charge(charges: readonly BookCharge[]): Promise<readonly (Booked | PaystreamError)[]>;
  /** Gives back once for each key. `undefined` if the charge does not allow it. */
  refund(key: string, chargeKey: string, nth: number, units: bigint): Promise<boolean>;
  find(key: string): Promise<readonly BookEntry[]>;
  /** Charges that succeeded, page by page. */
  list(period: Period): AsyncIterable<readonly GatewayCharge[]>;
  summary(): Promise<BookSummary>;
}

export interface BookOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly idempotent: boolean;
  readonly windowMs: number;
}

const pageSize = 1_000;

export function createBook({ database, clock, idempotent, windowMs }: BookOptions): Book {
  const sql = statements(database);

  /** For what is not simply new: keys seen before, and plans that depend on what was seen. */
  const chargeOne = async (tx: Transaction, charge: BookCharge, nowMs: number): Promise<Booked | PaystreamError> => {
    const { rows } = await tx.execute<BookEntry>(sql.byKey, [charge.key]);
    const last = rows.at(-1);
    if (last !== undefined && idempotent && nowMs < last.created_at + windowMs) {
      try {
        checkSame(charge, last);
      } catch (error) {
        return PaystreamError.from(error);
      }
      return { entry: last, reply: 'answer' };
    }
    const { once } = charge.plan;
    const subject = once?.per === 'payment' ? charge.paymentId : charge.key;
    const first = once === undefined || (await tx.execute(sql.seen, [subject])).affected === 1;
    const plan = first || once === undefined ? charge.plan : once.afterwards;
    const entry = entryOf(charge, plan, (last?.nth ?? 0) + 1, nowMs);
    if (entry !== undefined) await tx.execute(sql.add, values(entry));
    return { entry, reply: plan.reply };
  };

  return {
    charge: (charges) =>
      database.transaction(async (tx) => {
        const nowMs = clock.now();
        const results = new Array<Booked | PaystreamError>(charges.length);
        const plain: { readonly index: number; readonly entry: BookEntry }[] = [];
        const rest: number[] = [];
        charges.forEach((charge, index) => {
          const entry = idempotent && charge.plan.once === undefined ? entryOf(charge, charge.plan, 1, nowMs) : undefined;
          if (entry === undefined) rest.push(index);
          else plain.push({ index, entry });
        });
        const { affected } = await tx.executeMany(
          sql.add,
          plain.map(({ entry }) => values(entry)),
        );
        plain.forEach(({ index, entry }, position) => {
          if (affected[position] === 1) results[index] = { entry, reply: (charges[index] as BookCharge).plan.reply };
          else rest.push(index);
        });
        for (const index of rest) results[index] = await chargeOne(tx, charges[index] as BookCharge, nowMs);
        return results;
      }),
    refund: (key, chargeKey, nth, units) =>
      database.transaction(async (tx) => {
        const { rows } = await tx.execute<{ charge_key: string; nth: number; units: number | bigint }>(sql.refund, [key]);
        const [before] = rows;
        if (before !== undefined) {
          if (before.charge_key === chargeKey && before.nth === nth && BigInt(before.units) === units) return true;
          throw new PaystreamError('INVALID_ARGUMENT', `key "${key}" was used before for another refund; use a new key`, {
            reason: 'IDEMPOTENCY_KEY_REUSED',
            details: { key },
          });
        }
        const given = await tx.execute(sql.giveBack, [units, chargeKey, nth, units]);
        if (given.affected === 0) return false;
        await tx.execute(sql.addRefund, [key, chargeKey, nth, units, clock.now()]);
        return true;
      }),
    find: (key) => database.query<BookEntry>(sql.byKey, [key]),
    list: async function* (period) {
      let after = { idempotency_key: '', nth: 0 };
      for (;;) {
        const page = await database.query<BookEntry>(sql.page, [after.idempotency_key, after.idempotency_key, after.nth, pageSize]);
        const last = page.at(-1);
        if (last === undefined) return;
        yield page
          .filter((entry) => entry.state === 'approved' && entry.created_at >= period.startMs && entry.created_at < period.endMs)
          .map((entry) => ({
            key: entry.idempotency_key,
            gatewayId: chargeId(entry),
            paymentId: entry.payment_id,
            amount: { currency: entry.currency, units: BigInt(entry.units) },
            refundedUnits: BigInt(entry.refunded_units),
            createdAtMs: entry.created_at,
          }));
        after = last;
      }
    },
    summary: async () => {
      const [row] = await database.query<{ entries: number; charges: number; standing: number }>(sql.summary);
      const twice = await database.query<{ payment_id: string }>(sql.twice);
      const { entries = 0, charges = 0, standing = 0 } = row ?? {};
      return { charges, standing, declines: entries - charges, chargedTwice: twice.map((one) => one.payment_id) };
    },
  };
}
