import { afterEach, describe, expect, it, vi } from 'vitest';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { Coordinator, EndOutcome } from './coordinator.ts';
import type { Transaction } from './port.ts';
import { scopeOf } from './scope.ts';
import { createTransaction } from './transaction.ts';

interface Fake {
  readonly transaction: Transaction;
  readonly calls: string[];
}

afterEach(() => {
  vi.useRealTimers();
});

function begin(behaviour: Partial<Coordinator> = {}, timeoutMs = 60_000, begunAt = performance.now()): Fake {
  const calls: string[] = [];
  const coordinator: Coordinator = {
    begin: async () => ({ mostBits: 1n, leastBits: 7n }),
    addTopic: async (_bits, topic) => void calls.push(`add ${topic}`),
    addSubscription: async (_bits, topic, subscription) => void calls.push(`add ${topic} ${subscription}`),
    end: async (_bits, action): Promise<EndOutcome> => {
      calls.push(action);
      return 'ended';
    },
    ...behaviour,
  };
  const { transaction } = createTransaction({
    coordinator,
    bits: { mostBits: 1n, leastBits: 7n },
    timeoutMs,
    begunAt,
    onEnd: () => calls.push('over'),
  });
  return { transaction, calls };
}

const lost = (): PulsarError => new PulsarError('NOT_CONNECTED', 'lost');

describe('a transaction', () => {
  it('commits only when every send and acknowledgement in it has succeeded', async () => {
    const { transaction, calls } = begin();
    const sending = Promise.withResolvers<void>();
    void scopeOf(transaction).track(sending.promise);
    const committed = transaction.commit();
    await Promise.resolve();
    expect(transaction.state).toBe('committing');
    expect(calls).toEqual([]);
    sending.resolve();
    await committed;
    expect(transaction.state).toBe('committed');
    expect(transaction.id).toBe('(1,7)');
    expect(calls).toEqual(['commit', 'over']);
  });

  it('aborts instead of committing a part, and says what failed', async () => {
    const { transaction, calls } = begin();
    const scope = scopeOf(transaction);
    const aborted = vi.fn();
    scope.onAborted(aborted);
    await scope.track(Promise.reject(lost())).catch(() => undefined);
    await expect(transaction.commit()).rejects.toMatchObject({ code: 'NOT_CONNECTED' });
    expect(transaction.state).toBe('aborted');
    expect(calls).toEqual(['abort', 'over']);
    expect(aborted).toHaveBeenCalledOnce();
    await expect(transaction.commit()).rejects.toMatchObject({ code: 'TRANSACTION_STATE' });
  });

  it('tells the coordinator of a topic or subscription once, however many ask at a time', async () => {
    const { transaction, calls } = begin();
    const scope = scopeOf(transaction);
    await Promise.all([scope.addTopic('t'), scope.addTopic('t'), scope.addSubscription('t', 's')]);
    expect(scope.addTopic('t')).toBeUndefined();
    expect(scope.addSubscription('t', 's')).toBeUndefined();
    expect(calls).toEqual(['add t', 'add t s']);
  });

  it('asks again after a topic could not be added', async () => {
    let failures = 1;
    const { transaction } = begin({
      addTopic: async () => {
        if (failures-- > 0) throw lost();
      },
    });
    const scope = scopeOf(transaction);
    await expect(scope.addTopic('t')).rejects.toMatchObject({ code: 'NOT_CONNECTED' });
    await scope.addTopic('t');
    expect(scope.addTopic('t')).toBeUndefined();
  });

  it('ends the same way for everyone who asks twice, and not two ways', async () => {
    const { transaction, calls } = begin();
    await Promise.all([transaction.commit(), transaction.commit()]);
    await transaction.commit();
    await expect(transaction.abort()).rejects.toMatchObject({ code: 'TRANSACTION_STATE' });
    expect(calls).toEqual(['commit', 'over']);
    expect(() => scopeOf(transaction)).toThrow(expect.objectContaining({ code: 'TRANSACTION_STATE' }));
  });

  it('times out, so that nothing more goes into what the broker has dropped', () => {
    vi.useFakeTimers();
    const { transaction } = begin({}, 1_000);
    const aborted = vi.fn();
    scopeOf(transaction).onAborted(aborted);
    vi.advanceTimersByTime(1_000);
    expect(transaction.state).toBe('timed_out');
    expect(aborted).toHaveBeenCalledOnce();
    expect(() => scopeOf(transaction)).toThrow(expect.objectContaining({ code: 'TRANSACTION_STATE' }));
  });

  it('knows that it was committed where only the answer was lost', async () => {
    const { transaction } = begin({ end: async () => 'gone' });
    await transaction.commit();
    expect(transaction.state).toBe('committed');
  });

  it('does not claim to be committed where it may have timed out as well', async () => {
    const { transaction } = begin({ end: async () => 'gone' }, 60_000, performance.now() - 59_500);
    await expect(transaction.commit()).rejects.toMatchObject({ code: 'TRANSACTION_NOT_FOUND' });
    expect(transaction.state).toBe('error');
  });

  it('is aborted where the answer to that was lost', async () => {
    const { transaction } = begin({ end: async () => 'gone' });
    await transaction.abort();
    expect(transaction.state).toBe('aborted');
  });

  it('is aborted by leaving its scope, unless it has ended', async () => {
    const open = begin();
    {
      await using _transaction = open.transaction;
    }
    expect(open.calls).toEqual(['abort', 'over']);
    const ended = begin();
    await ended.transaction.commit();
    await ended.transaction[Symbol.asyncDispose]();
    expect(ended.calls).toEqual(['commit', 'over']);
  });

  it('refuses what is no transaction of this client', () => {
    expect(() => scopeOf({ state: 'open' } as Transaction)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
