import type { ServiceName } from '../../src/service-names.ts';

/** A moment between two steps of a service, at which it can be told to die. */
export interface DeathPoint {
  readonly service: ServiceName;
  /** As {@link tellSteps} names it. */
  readonly step: string;
  /** What is done by then, and what is not. */
  readonly state: string;
}

/** Where a death could lose or double something: on both sides of every step that others see. */
export const deathPoints: readonly DeathPoint[] = [
  { service: 'order', step: 'before commit of INSERT orders', state: 'order written, not committed' },
  { service: 'order', step: 'after commit of INSERT orders', state: 'order committed, neither published nor answered' },
  { service: 'order', step: 'after send to orders', state: 'order published, still in the outbox' },
  { service: 'order', step: 'before acknowledge of transactions', state: 'outcome stored, not acknowledged' },
  { service: 'payment', step: 'after commit of INSERT payments', state: 'attempt committed, not acknowledged, gateway not called' },
  { service: 'payment', step: 'before acknowledge of orders', state: 'attempt committed, not acknowledged, perhaps charging' },
  { service: 'payment', step: 'before charge', state: 'attempt committed, call not sent' },
  { service: 'payment', step: 'after charge', state: 'gateway has answered, outcome not written' },
  { service: 'payment', step: 'before commit of UPDATE payments', state: 'outcome written, not committed' },
  { service: 'payment', step: 'after commit of UPDATE payments', state: 'outcome committed, not published' },
  { service: 'payment', step: 'after send to transactions', state: 'outcome published, still in the outbox' },
  { service: 'payment', step: 'after lookup', state: 'what became of a charge is known, not written' },
  { service: 'wallet', step: 'before commit of INSERT ledger_transfers', state: 'wallet credited, not committed' },
  { service: 'wallet', step: 'after commit of INSERT ledger_transfers', state: 'credit committed, neither published nor acknowledged' },
  { service: 'wallet', step: 'after send to merchant-wallet-updates', state: 'credit published, still in the outbox' },
  { service: 'wallet', step: 'before acknowledge of transactions', state: 'credit committed, not acknowledged' },
  { service: 'notify', step: 'after commit of INSERT notify_deliveries', state: 'delivery recorded, not acknowledged, not sent' },
  { service: 'notify', step: 'before acknowledge of merchant-wallet-updates', state: 'delivery recorded, not acknowledged, perhaps sent' },
  { service: 'notify', step: 'before deliver', state: 'delivery recorded, not sent' },
  { service: 'notify', step: 'after deliver', state: 'delivery sent, not recorded as sent' },
  { service: 'logger', step: 'before commit of INSERT log_entries', state: 'lines in the file, rows not committed' },
  { service: 'logger', step: 'after commit of INSERT log_entries', state: 'entries committed, not acknowledged' },
  { service: 'logger', step: 'before acknowledge of order-logs-topic', state: 'entries stored, not acknowledged' },
  { service: 'logger', step: 'before acknowledge of transactions-logs-topic', state: 'entries stored, not acknowledged' },
];
