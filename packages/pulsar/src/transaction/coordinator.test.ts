import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import type { ClientContext } from '../client/context.ts';
import { commandName } from '../connection/answers.ts';
import type { Connection } from '../connection/port.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { type BaseCommand, BaseCommandSchema, TxnAction, BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import { assignTopic } from './coordinator.ts';
import { createTransactions } from './transactions.ts';

type Answer = (command: BaseCommand, connection: FakeConnection) => BaseCommand;

interface FakeConnection {
  closed: boolean;
  readonly asked: string[];
}

const ok = (): BaseCommand => create(BaseCommandSchema, { type: Type.SUCCESS });
const begun = (leastBits: bigint): BaseCommand =>
  create(BaseCommandSchema, {
    type: Type.NEW_TXN_RESPONSE,
    newTxnResponse: { requestId: 0n, txnidMostBits: 0n, txnidLeastBits: leastBits },
  });
const moved = (): PulsarError => new PulsarError('UNAVAILABLE', 'TransactionCoordinatorNotFound');
const notFound = (): PulsarError => new PulsarError('TRANSACTION_NOT_FOUND', 'gone');

/** A client whose brokers answer as the test says. */
function fakeClient(answer: Answer, partitions: number | Error = 1, transactionsEnabled = true) {
  const connections: FakeConnection[] = [];
  const closers: (() => Promise<void>)[] = [];
  let current: Connection | undefined;
  function connect(): Connection {
    const fake: FakeConnection = { closed: false, asked: [] };
    connections.push(fake);
    let ids = 0n;
    return {
      protocolVersion: 21,
      get closed() {
        return fake.closed;
      },
      nextRequestId: () => ids++,
      request: async (_requestId: bigint, command: BaseCommand) => {
        fake.asked.push(commandName(command));
        return answer(command, fake);
      },
    } as unknown as Connection;
  }
  const context = {
    pool: {
      newSlot: () => 0,
      connect: async () => {
        if (current === undefined || current.closed) current = connect();
        return current;
      },
    },
    lookup: {
      partitions: async (topic: string) => {
        expect(topic).toBe(assignTopic);
        if (partitions instanceof Error) throw partitions;
        return partitions;
      },
      topic: async () => ({ logical: 'b:1', physical: 'b:1' }),
    },
    operationTimeoutMs: 2_000,
    transactionsEnabled,
    emit: () => undefined,
    onClose: (close: () => Promise<void>) => {
      closers.push(close);
      return () => undefined;
    },
  } as unknown as ClientContext;
  return { transactions: createTransactions(context), connections, close: () => Promise.all(closers.map((close) => close())) };
}

describe('the coordinators of transactions', () => {
  it('take transactions in turn', async () => {
    const seen: bigint[] = [];
    const { transactions } = fakeClient((command) => {
      if (command.newTxn !== undefined) seen.push(command.newTxn.tcId);
      return command.newTxn === undefined ? ok() : begun(1n);
    }, 3);
    for (let i = 0; i < 4; i += 1) await transactions.begin();
    expect(seen).toEqual([0n, 1n, 2n, 0n]);
  });

  it('9.5.83 are found anew when they have moved, and the call goes on', async () => {
    let failures = 1;
    const { transactions, connections } = fakeClient((command) => {
      if (command.newTxn === undefined) return ok();
      if (failures-- > 0) throw moved();
      return begun(5n);
    });
    expect((await transactions.begin({ timeoutMs: 1_000 })).id).toBe('(0,5)');
    expect(connections[0]?.asked).toEqual(['TC_CLIENT_CONNECT_REQUEST', 'NEW_TXN', 'TC_CLIENT_CONNECT_REQUEST', 'NEW_TXN']);
  });

  it('are connected to again after a connection is lost', async () => {
    const { transactions, connections } = fakeClient((command) => (command.newTxn === undefined ? ok() : begun(1n)));
    const transaction = await transactions.begin();
    const [first] = connections;
    if (first !== undefined) first.closed = true;
    await transaction.commit();
    expect(connections[1]?.asked).toEqual(['TC_CLIENT_CONNECT_REQUEST', 'END_TXN']);
  });

  it('end a transaction once: an answer that was lost is not taken for a failure', async () => {
    let ends = 0;
    const { transactions } = fakeClient((command, connection) => {
      if (command.endTxn === undefined) return command.newTxn === undefined ? ok() : begun(1n);
      expect(command.endTxn.txnAction).toBe(TxnAction.COMMIT);
      ends += 1;
      if (ends > 1) throw notFound();
      connection.closed = true;
      throw new PulsarError('NOT_CONNECTED', 'cut');
    });
    const transaction = await transactions.begin();
    await transaction.commit();
    expect(transaction.state).toBe('committed');
    expect(ends).toBe(2);
  });

  it('report a transaction that they do not know', async () => {
    const { transactions } = fakeClient((command) => {
      if (command.endTxn !== undefined) throw notFound();
      return command.newTxn === undefined ? ok() : begun(1n);
    });
    const transaction = await transactions.begin();
    await expect(transaction.commit()).rejects.toMatchObject({ code: 'TRANSACTION_NOT_FOUND' });
    expect(transaction.state).toBe('error');
  });

  it.each([
    ['none', 0],
    ['no such topic', new PulsarError('TOPIC_NOT_FOUND', 'none')],
  ])('are missed with a clear error where the cluster has them off (%s)', async (_name, partitions) => {
    const { transactions } = fakeClient(ok, partitions);
    await expect(transactions.begin()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  it('need the client to be made for transactions, and a time-out that makes sense', async () => {
    await expect(fakeClient(ok, 1, false).transactions.begin()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(fakeClient(ok).transactions.begin({ timeoutMs: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('are given up when the client closes, instead of being asked again', async () => {
    const { transactions, close } = fakeClient((command) => {
      if (command.newTxn === undefined) return ok();
      throw moved();
    });
    const beginning = transactions.begin();
    beginning.catch(() => undefined);
    await close();
    await expect(beginning).rejects.toMatchObject({ code: 'ALREADY_CLOSED' });
    await expect(transactions.begin()).rejects.toMatchObject({ code: 'ALREADY_CLOSED' });
  });
});
