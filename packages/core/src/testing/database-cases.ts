import { inboxCases } from './database-inbox-cases.ts';
import { migrationCases } from './database-migration-cases.ts';
import { outboxCases } from './database-outbox-cases.ts';
import type { DatabaseCase } from './database-subject.ts';
import { timerCases } from './database-timer-cases.ts';
import { transactionCases } from './database-transaction-cases.ts';
import { valueCases } from './database-value-cases.ts';

/**
 * What every `Database` promises, and what outbox, inbox, timers and group commit promise on it, for whoever writes an
 * adapter. Rows and topics are named by the subject, so the cases can share one running database.
 *
 * @example
 * ```ts
 * for (const bound of bindCases(databaseCases, { abilities: ['shared', 'restart'], open, close })) {
 *   it.skipIf(bound.skip !== undefined)(bound.name, () => bound.run());
 * }
 * ```
 */
export const databaseCases: readonly DatabaseCase[] = [
  ...transactionCases,
  ...valueCases,
  ...migrationCases,
  ...inboxCases,
  ...timerCases,
  ...outboxCases,
];
