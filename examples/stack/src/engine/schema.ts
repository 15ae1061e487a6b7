import { PaystreamError } from '@paystream/core';
import { type Database, type Migration, type MigrationMode, outboxMigrations } from '@paystream/core/sql';
import { logSinkMigrations } from '@paystream/logger/sink';
import { notifierMigrations } from '@paystream/notify';
import { catalogMigrations, orderMigrations } from '@paystream/order';
import { paymentMigrations } from '@paystream/payment';
import { walletMigrations } from '@paystream/payment/wallet';
import type { ServiceName } from '../service-names.ts';

const ofServices: Readonly<Record<ServiceName, readonly Migration[]>> = {
  gateway: [],
  logger: logSinkMigrations,
  notify: [...catalogMigrations, ...notifierMigrations],
  wallet: walletMigrations,
  payment: paymentMigrations,
  order: [...catalogMigrations, ...orderMigrations],
};

/**
 * Brings the schema of services up to date. Throws `FAILED_PRECONDITION` that names what all of them lack, so that nobody mends one
 * service after the other: `SCHEMA_OUT_OF_DATE`, where it is only checked; `SCHEMA_INCOMPLETE`, where something is not there any more.
 */
export async function migrateServices(database: Database, services: readonly ServiceName[], mode: MigrationMode): Promise<void> {
  const wanted = new Set([...outboxMigrations, ...services.flatMap((service) => ofServices[service])]);
  try {
    await database.migrate([...wanted], mode);
  } catch (cause) {
    const { code, reason, details } = PaystreamError.from(cause);
    const missing = details['missing'];
    if (reason !== 'SCHEMA_OUT_OF_DATE' || missing === undefined) throw cause;
    const advice =
      'run the SQL that exportMigrations writes of these alone, or start once with PAYSTREAM_MIGRATIONS=apply as a user who may change tables';
    throw new PaystreamError(code, `the schema lacks ${missing.replaceAll(',', ', ')}: ${advice}`, { reason, details, cause });
  }
}
