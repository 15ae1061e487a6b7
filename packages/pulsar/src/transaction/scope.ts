import { PulsarError } from '../errors/pulsar-error.ts';
import type { Transaction, TransactionScope } from './port.ts';

const scopes = new WeakMap<Transaction, TransactionScope>();

/** Gives a transaction its inner side. */
export function attachScope(transaction: Transaction, scope: TransactionScope): void {
  scopes.set(transaction, scope);
}

/**
 * The inner side of a transaction, for a send or an acknowledgement in it. Throws `INVALID_ARGUMENT` for what is no
 * transaction of this client, and `TRANSACTION_STATE` for one that is not open.
 */
export function scopeOf(transaction: Transaction): TransactionScope {
  const scope = scopes.get(transaction);
  if (scope === undefined) {
    throw new PulsarError('INVALID_ARGUMENT', 'this is no transaction of this client: make one with client.newTransaction()');
  }
  if (transaction.state !== 'open') {
    throw new PulsarError('TRANSACTION_STATE', `transaction ${transaction.id} is ${transaction.state}: nothing more can be done in it`);
  }
  return scope;
}
